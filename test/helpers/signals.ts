// Signals and measures for codecs: everything is the same at each run.

/** Numbers of 0 to 1, always the same ones. */
export function dice(seed = 1): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return state / 0x8000_0000;
  };
}

/** A sine; its level is that of its peak over full scale, in dB. */
export function sine(rate: number, frequency: number, seconds: number, levelDb = -12): Int16Array {
  const peak = 32_767 * 10 ** (levelDb / 20);
  return Int16Array.from({ length: Math.round(rate * seconds) }, (_, i) => Math.round(peak * Math.sin((2 * Math.PI * frequency * i) / rate)));
}

/** Something of the kind of speech: gliding harmonics in syllables, hisses between them, pauses. */
export function babble(rate: number, seconds: number, seed = 1): Int16Array {
  const random = dice(seed);
  let phase = 0;
  let hiss = 0;
  return Int16Array.from({ length: Math.round(rate * seconds) }, (_, i) => {
    const t = i / rate;
    const pitch = 130 + 25 * Math.sin(2 * Math.PI * 0.9 * t) + 10 * Math.sin(2 * Math.PI * 2.3 * t);
    phase += pitch / rate;
    const first = 500 + 250 * Math.sin(2 * Math.PI * 1.7 * t);
    let voice = 0;
    for (let h = 1; h * pitch < 3200; h += 1) voice += Math.sin(2 * Math.PI * h * phase) * (0.05 + Math.exp(-(((h * pitch - first) / 220) ** 2)) + 0.4 * Math.exp(-(((h * pitch - 1500) / 300) ** 2)));
    const syllable = Math.max(0, Math.sin(2 * Math.PI * 2.1 * t) + 0.2) * (Math.sin(2 * Math.PI * 0.23 * t) > -0.7 ? 1 : 0);
    hiss = 0.5 * hiss + (random() - 0.5);
    return Math.round(3800 * voice * syllable + 500 * hiss * Math.max(0, -Math.sin(2 * Math.PI * 2.1 * t) - 0.5) + 12 * (random() - 0.5));
  });
}

/** Level over full scale in dB of the root mean square. */
export function levelDb(pcm: Int16Array): number {
  return 10 * Math.log10(pcm.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, pcm.length) / 32_768 ** 2);
}

const windows = new Map<string, readonly [Float64Array, Float64Array]>();

/** Cosine and sine of a frequency behind a Hann window, made once. */
function windowOf(length: number, rate: number, frequency: number): readonly [Float64Array, Float64Array] {
  const key = `${length} ${rate} ${frequency}`;
  const made = windows.get(key) ?? ([Math.cos, Math.sin].map((wave) => Float64Array.from({ length }, (_, i) =>
    (1 - Math.cos((2 * Math.PI * i) / length)) * wave((2 * Math.PI * frequency * i) / rate))) as unknown as readonly [Float64Array, Float64Array]);
  if (length <= 1000) windows.set(key, made);
  return made;
}

/** Amplitude over full scale in dB of what lies at `frequency`, behind a Hann window. */
export function toneDb(pcm: Int16Array, rate: number, frequency: number): number {
  const [cosine, sinus] = windowOf(pcm.length, rate, frequency);
  let [re, im] = [0, 0];
  for (let i = 0; i < pcm.length; i += 1) {
    re += (pcm[i] as number) * (cosine[i] as number);
    im += (pcm[i] as number) * (sinus[i] as number);
  }
  return 20 * Math.log10((2 * Math.hypot(re, im)) / pcm.length / 32_768 + 1e-12);
}

/** How far everything else is below `frequency`, in dB: the sine is fitted and taken away. */
export function purityDb(pcm: Int16Array, rate: number, frequency: number): number {
  let [cc, cs, ss, xc, xs] = [0, 0, 0, 0, 0];
  const angle = (i: number): number => (2 * Math.PI * frequency * i) / rate;
  for (let i = 0; i < pcm.length; i += 1) {
    const [c, s, x] = [Math.cos(angle(i)), Math.sin(angle(i)), pcm[i] as number];
    cc += c * c;
    cs += c * s;
    ss += s * s;
    xc += x * c;
    xs += x * s;
  }
  const det = cc * ss - cs * cs;
  const [a, b] = [(xc * ss - xs * cs) / det, (xs * cc - xc * cs) / det];
  let [wanted, rest] = [0, 0];
  for (let i = 0; i < pcm.length; i += 1) {
    const fit = a * Math.cos(angle(i)) + b * Math.sin(angle(i));
    wanted += fit * fit;
    rest += ((pcm[i] as number) - fit) ** 2;
  }
  return 10 * Math.log10(wanted / (rest + 1e-9));
}

/** Mean over 20 ms of the signal-to-noise ratio, each between -10 and 35 dB, where the reference is not silent: the usual segmental SNR. */
export function segmentalSnr(reference: Int16Array, heard: Int16Array, rate: number): number {
  const size = rate / 50;
  let [sum, frames] = [0, 0];
  for (let at = 0; at + size <= Math.min(reference.length, heard.length); at += size) {
    let [signal, noise] = [0, 1];
    for (let i = at; i < at + size; i += 1) {
      signal += (reference[i] as number) ** 2;
      noise += ((reference[i] as number) - (heard[i] as number)) ** 2;
    }
    if (signal / size < 100 ** 2) continue;
    sum += Math.min(35, Math.max(-10, 10 * Math.log10(signal / noise)));
    frames += 1;
  }
  return sum / Math.max(1, frames);
}

/**
 * How far two signals are apart in what the ear looks at: root mean square of the differences of level in eight bands of speech, in dB, over
 * frames of 20 ms that are not silent in the reference.
 */
export function bandDistance(reference: Int16Array, heard: Int16Array, rate: number): number {
  const size = rate / 50;
  const bands = [200, 350, 500, 700, 1000, 1400, 2000, 2800];
  let [sum, count] = [0, 0];
  for (let at = 0; at + size <= Math.min(reference.length, heard.length); at += size) {
    const [a, b] = [reference.subarray(at, at + size), heard.subarray(at, at + size)];
    if (levelDb(a) < -45) continue;
    for (const band of bands) {
      sum += (Math.max(-60, toneDb(a, rate, band)) - Math.max(-60, toneDb(b, rate, band))) ** 2;
      count += 1;
    }
  }
  return Math.sqrt(sum / Math.max(1, count));
}

/** Puts pieces together. */
export function joined(pieces: readonly Int16Array[]): Int16Array {
  const whole = new Int16Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  pieces.reduce((at, piece) => { whole.set(piece, at); return at + piece.length; }, 0);
  return whole;
}

/** Cuts a signal into whole frames. */
export function framesOf(pcm: Int16Array, size: number): Int16Array[] {
  return Array.from({ length: Math.floor(pcm.length / size) }, (_, i) => pcm.slice(i * size, (i + 1) * size));
}

/** By how many samples `heard` is behind, up to `most`: where the two are most alike. */
export function delayOf(reference: Int16Array, heard: Int16Array, most: number): number {
  let best = { delay: 0, product: -Infinity };
  for (let delay = 0; delay <= most; delay += 1) {
    let product = 0;
    for (let i = 0; i + delay < heard.length && i < reference.length; i += 1) product += (reference[i] as number) * (heard[i + delay] as number);
    if (product > best.product) best = { delay, product };
  }
  return best.delay;
}
