import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

/** What the page heard: packets, and the strongest frequency of its audio (Hz). */
export interface Heard { readonly packets: number; readonly hertz: number }

/** Headless Chromium with one peer connection that sends a tone. */
export interface Chromium {
  /** Its offer, complete; or its answer to ours. */
  readonly description: Promise<string>;
  /** Our answer to its offer. */
  answer(sdp: string): void;
  /** What it hears once it hears something. */
  readonly heard: Promise<Heard>;
  close(): Promise<void>;
}

/** The page; the paths are those of the server below. */
const page = (tone: number): string => `<!doctype html><script type="module">
const connection = new RTCPeerConnection();
const context = new AudioContext();
const oscillator = new OscillatorNode(context, { frequency: ${tone} });
const out = context.createMediaStreamDestination();
oscillator.connect(out);
oscillator.start();
connection.addTrack(out.stream.getAudioTracks()[0], out.stream);
const analyser = new AnalyserNode(context, { fftSize: 4096 });
connection.ontrack = ({ streams: [stream] }) => {
  const audio = new Audio();
  audio.srcObject = stream;
  audio.play();
  context.createMediaStreamSource(stream).connect(analyser);
};
const tell = (path, body) => fetch(path, { method: 'POST', body });
const offered = await (await fetch('/offer')).text();
if (offered) await connection.setRemoteDescription({ type: 'offer', sdp: offered });
await connection.setLocalDescription();
while (connection.iceGatheringState !== 'complete') await new Promise((done) => setTimeout(done, 20));
await tell('/description', connection.localDescription.sdp);
if (!offered) await connection.setRemoteDescription({ type: 'answer', sdp: await (await fetch('/answer')).text() });
const bins = new Float32Array(analyser.frequencyBinCount);
for (;;) {
  await new Promise((done) => setTimeout(done, 100));
  analyser.getFloatFrequencyData(bins);
  const loudest = bins.reduce((best, value, at) => (value > bins[best] ? at : best), 0);
  let packets = 0;
  for (const report of (await connection.getStats()).values()) if (report.type === 'inbound-rtp') packets = report.packetsReceived;
  if (packets > 50 && bins[loudest] > -60) {
    await tell('/heard', JSON.stringify({ packets, hertz: loudest * context.sampleRate / analyser.fftSize }));
    break;
  }
}
</script>`;

/** Starts Chromium on a page that offers, or that answers `offer`. Everything stays on loopback. */
export async function startChromium(tone: number, offer: string | null): Promise<Chromium> {
  let [described, answered, heard]: ((value: string) => void)[] = [];
  const description = new Promise<string>((resolve) => { described = resolve; });
  const answer = new Promise<string>((resolve) => { answered = resolve; });
  const hears = new Promise<string>((resolve) => { heard = resolve; });
  const server = createServer((request, response) => {
    void (async () => {
      const body = await text(request);
      if (request.url === '/description') described!(body);
      if (request.url === '/heard') heard!(body);
      const reply = { '/': page(tone), '/offer': offer ?? '', '/answer': request.url === '/answer' ? await answer : '' }[request.url ?? ''] ?? '';
      response.setHeader('Content-Type', 'text/html');
      response.end(reply);
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const dir = await mkdtemp(join(tmpdir(), 'wab-chromium-'));
  const child = spawn('chromium', [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--mute-audio', `--user-data-dir=${dir}`,
    '--autoplay-policy=no-user-gesture-required', '--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns',
    // No look-up and no connection but to ourselves.
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
  ], { stdio: 'ignore', env: { ...process.env, HOME: dir } });
  const exited = once(child, 'exit');
  return {
    description, answer: (sdp) => answered!(sdp), heard: hears.then((body) => JSON.parse(body) as Heard),
    async close() {
      answered!('');
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
      await exited;
      clearTimeout(timer);
      server.closeAllConnections();
      await new Promise((resolve) => { server.close(resolve); });
      await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
}
