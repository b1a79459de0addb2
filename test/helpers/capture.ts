import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One UDP datagram on loopback, as the kernel handed it over. */
export interface Datagram {
  /** Milliseconds of the kernel's clock. */
  readonly at: number;
  /** address:port. */
  readonly from: string;
  readonly to: string;
  readonly data: Buffer;
}

/** What an RTP packet says (RFC 3550 §5.1). */
export interface RtpFields {
  readonly type: number;
  readonly marker: boolean;
  readonly seq: number;
  readonly ts: number;
  readonly ssrc: number;
  readonly payload: Buffer;
}

/** An RTP packet of a capture; the payload is ciphertext where the stream is SRTP. */
export interface CapturedRtp extends Datagram, RtpFields {}

/** Everything on UDP over loopback, from now until stop(), by tshark's dumpcap. Rejects where capturing is not allowed. */
export async function startCapture(): Promise<{ stop(): Promise<Datagram[]> }> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-capture-'));
  const file = join(dir, 'lo.pcap');
  const child = spawn('dumpcap', ['-P', '-i', 'lo', '-f', 'udp', '-B', '32', '-w', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  const exited = once(child, 'exit');
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    void exited.then(() => reject(new Error(`dumpcap: ${said}`)));
    child.stderr.on('data', (data: Buffer) => {
      said += data.toString();
      // Said once the file is open, which is after the interface is.
      if (said.includes('File: ')) resolve();
    });
  }).catch(async (error: unknown) => { await rm(dir, { recursive: true, force: true }); throw error; });
  return {
    async stop() {
      // The kernel hands packets over in blocks, the last one late.
      await new Promise((resolve) => setTimeout(resolve, 600));
      child.kill('SIGINT');
      await exited;
      const datagrams = readPcap(await readFile(file));
      await rm(dir, { recursive: true, force: true });
      return datagrams;
    },
  };
}

/** Reads UDP over IPv4 and IPv6 on Ethernet (what "lo" is) out of a pcap file in little-endian order. */
function readPcap(file: Buffer): Datagram[] {
  // libpcap's savefile format: magic, versions, zone, accuracy, snap length, link type.
  const nano = file.readUInt32LE(0) === 0xa1b2_3c4d;
  const found: Datagram[] = [];
  for (let at = 24; at + 16 <= file.length;) {
    const length = file.readUInt32LE(at + 8);
    const time = file.readUInt32LE(at) * 1000 + file.readUInt32LE(at + 4) / (nano ? 1e6 : 1e3);
    const packet = file.subarray(at + 16, at + 16 + length);
    at += 16 + length;
    const v6 = packet.readUInt16BE(12) === 0x86dd;
    const ip = packet.subarray(14);
    const udp = ip.subarray(v6 ? 40 : ((ip[0] as number) & 15) * 4);
    const address = (from: number): string => (v6 ? ip.subarray(from, from + 16).toString('hex') : ip.subarray(from, from + 4).join('.'));
    found.push({
      at: time, from: `${address(v6 ? 8 : 12)}:${udp.readUInt16BE(0)}`, to: `${address(v6 ? 24 : 16)}:${udp.readUInt16BE(2)}`, data: udp.subarray(8, udp.readUInt16BE(4)),
    });
  }
  return found;
}

/** The RTP among datagrams (RFC 7983 §7, RFC 5761 §4). */
export function rtpIn(datagrams: readonly Datagram[]): CapturedRtp[] {
  return datagrams.flatMap((one) => {
    const { data } = one;
    if (data.length < 12 || (data[0] as number) >> 6 !== 2 || ((data[1] as number) >= 192 && (data[1] as number) <= 223)) return [];
    return [{
      ...one, type: (data[1] as number) & 0x7f, marker: (data[1] as number) > 127, seq: data.readUInt16BE(2), ts: data.readUInt32BE(4), ssrc: data.readUInt32BE(8),
      payload: data.subarray(12 + ((data[0] as number) & 15) * 4),
    }];
  });
}

/** In the order of their sequence numbers, each once; `swapped` counts those that came behind a later one. */
export function inSequence(packets: readonly CapturedRtp[]): { sorted: CapturedRtp[]; swapped: number } {
  const place = new Map<CapturedRtp, number>();
  let [highest, swapped] = [packets[0]?.seq ?? 0, 0];
  for (const one of packets) {
    const step = ((one.seq - highest) << 16) >> 16;
    place.set(one, highest + step);
    if (step < 0) swapped += 1;
    highest = Math.max(highest, highest + step);
  }
  return { sorted: [...packets].sort((a, b) => place.get(a)! - place.get(b)!), swapped };
}

/** The digits in a stream: packets of the type with one timestamp are one. */
export function eventsIn(packets: readonly CapturedRtp[], type: number): CapturedRtp[][] {
  const events = new Map<number, CapturedRtp[]>();
  for (const one of packets) if (one.type === type) events.set(one.ts, [...events.get(one.ts) ?? [], one]);
  return [...events.values()];
}

/** What breaks META-SIP §6.2 in the stream that Meta's port got: one SSRC, one address, no break in sequence and timestamps, no gap over `gapMs`. */
export function faultsTowardsMeta(packets: readonly CapturedRtp[], types: { audio: number; events: number }, gapMs: number): string[] {
  const faults: string[] = [];
  const several = (what: string, values: readonly (string | number)[]): void => {
    if (new Set(values).size > 1) faults.push(`${what}: ${[...new Set(values)].join(', ')}`);
  };
  several('SSRCs', packets.map((one) => one.ssrc));
  several('addresses', packets.map((one) => one.from));
  for (const one of packets) if (one.type !== types.audio && one.type !== types.events) faults.push(`payload type ${one.type}`);
  const gap = longestGap(packets);
  if (gap > gapMs) faults.push(`a gap of ${gap.toFixed(0)} ms`);
  const { sorted } = inSequence(packets);
  for (let i = 1; i < sorted.length; i += 1) {
    const [a, b] = [sorted[i - 1]!, sorted[i]!];
    const step = (b.ts - a.ts) >>> 0;
    if (((b.seq - a.seq) & 0xffff) !== 1) faults.push(`packet ${i}: sequence ${a.seq}, ${b.seq}`);
    if (a.type === types.audio && b.type === types.audio && step !== 960) faults.push(`packet ${i}: timestamp step ${step}`);
    // A new event begins on the audio's clock, with the frame that follows, or two on: an engine that transcodes lets events overtake audio.
    if (a.type === types.audio && b.type === types.events && step !== 960 && step !== 1920) faults.push(`packet ${i}: event ${step} after the audio`);
    if (a.type === types.events && b.type === types.audio && step % 960 !== 0) faults.push(`packet ${i}: audio ${step} after the event began`);
  }
  return faults;
}

/** The longest time without a packet, milliseconds. */
export function longestGap(packets: readonly CapturedRtp[]): number {
  return packets.reduce((longest, one, i) => (i === 0 ? 0 : Math.max(longest, one.at - packets[i - 1]!.at)), 0);
}
