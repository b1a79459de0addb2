import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { DtlsLeg } from '../../../lib/simulator/media/dtlsLeg.js';
import { makeDtlsCertificate } from '../../../lib/simulator/media/dtls.js';
import { ProtectionProfileAes128CmHmacSha1_80, RtpHeader, RtpPacket, SrtcpSession, SrtpSession } from 'werift';
import type { RtpFields } from '../../helpers/capture.js';

/** One packet as it stood on the wire, decrypted. */
export interface Seen extends RtpFields {
  readonly at: number;
  readonly from: string;
}

/** A telephone event packet's fields. */
export function eventFields(seen: Seen): { event: number; end: boolean; duration: number } {
  return { event: seen.payload[0] ?? -1, end: ((seen.payload[1] ?? 0) & 0x80) !== 0, duration: seen.payload.readUInt16BE(2) };
}

export const SILENCE = Buffer.from([0xf8, 0xff, 0xfe]);

/** A bare RTP or SRTP end: records every packet it gets, sends what the test says. */
export class Endpoint {
  readonly seen: Seen[] = [];
  readonly rtcp: Buffer[] = [];
  readonly #socket: Socket;
  #session: { rtp: SrtpSession; rtcp: SrtcpSession } | null = null;
  #target: { address: string; port: number } | null = null;
  #waiters: (() => void)[] = [];
  seq = 100;
  ts = 90_000;
  ssrc = 0x1111;
  /** The ICE-lite and DTLS part, for WebRTC numbers. */
  dtls: DtlsLeg | null = null;
  /** What ICE and DTLS complained of. */
  readonly faults: string[] = [];
  /** Sender reports are answered with this: share lost in 1/256, jitter in timestamp units, delay of the answer in milliseconds. */
  reports: { lost: number; jitter: number; delay: number } | null = null;
  /** Packets that could not be decrypted. */
  unreadable = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (data, from) => this.#take(data, `${from.address}:${from.port}`));
  }

  static async open(address = '127.0.0.1'): Promise<Endpoint> {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    socket.bind(0, address);
    await once(socket, 'listening');
    socket.unref();
    return new Endpoint(socket);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Switches SRTP on: 30 bytes of key and salt each way, base64. */
  secure(local: string, remote: string): void {
    const halves = (text: string): [Buffer, Buffer] => [Buffer.from(text, 'base64').subarray(0, 16), Buffer.from(text, 'base64').subarray(16, 30)];
    const [localMasterKey, localMasterSalt] = halves(local);
    const [remoteMasterKey, remoteMasterSalt] = halves(remote);
    const config = { keys: { localMasterKey, localMasterSalt, remoteMasterKey, remoteMasterSalt }, profile: ProtectionProfileAes128CmHmacSha1_80 };
    this.#session = { rtp: new SrtpSession(config), rtcp: new SrtcpSession(config) };
  }

  /** Makes this end ICE-lite with DTLS; media is secured and aimed when they are through. */
  async webrtc(): Promise<DtlsLeg> {
    const dtls = new DtlsLeg(await makeDtlsCertificate(), {
      send: (bytes, to) => this.#socket.send(bytes, to.port, to.address),
      redirect: (to) => this.aim(to.address, to.port),
      secured: ({ local, remote }) => this.secure(Buffer.concat([local.key, local.salt]).toString('base64'), Buffer.concat([remote.key, remote.salt]).toString('base64')),
      fault: (rule, detail) => this.faults.push(`${rule}: ${detail}`),
    });
    return this.dtls = dtls;
  }

  get secured(): boolean {
    return this.#session !== null;
  }

  aim(address: string, port: number): void {
    this.#target = { address, port };
  }

  /** Sends one packet and advances; `step` in timestamp units. */
  send(type: number, payload: Buffer, step: number, options: { marker?: boolean; ts?: number; seq?: number } = {}): void {
    if (!this.#target) throw new Error('no target');
    const header = new RtpHeader({ version: 2, payloadType: type, sequenceNumber: options.seq ?? this.seq, timestamp: (options.ts ?? this.ts) >>> 0, ssrc: this.ssrc, marker: options.marker ?? false });
    if (options.seq === undefined) this.seq = (this.seq + 1) & 0xffff;
    this.ts = (this.ts + step) >>> 0;
    const packet = this.#session ? this.#session.rtp.encrypt(payload, header) : new RtpPacket(header, payload).serialize();
    this.#socket.send(packet, this.#target.port, this.#target.address);
  }

  sendRtcp(packet: Buffer): void {
    if (!this.#target) throw new Error('no target');
    this.#socket.send(this.#session ? this.#session.rtcp.encrypt(packet) : packet, this.#target.port, this.#target.address);
  }

  #take(data: Buffer, from: string): void {
    const second = data[1] ?? 0;
    // RFC 7983: STUN, DTLS and RTP are told apart by the first byte.
    const first = data[0] ?? 0;
    if (first < 128) {
      const [address, port] = [from.slice(0, from.lastIndexOf(':')), Number(from.slice(from.lastIndexOf(':') + 1))];
      if (first < 4) this.dtls?.stun(data, { address, port });
      else this.dtls?.dtls(data);
      this.#wake();
      return;
    }
    try {
      if (second >= 192 && second <= 223) {
        const plain = this.#session ? this.#session.rtcp.decrypt(data) : data;
        this.rtcp.push(plain);
        if (this.reports && plain[1] === 200) this.#report(plain, this.reports);
      } else {
        const plain = this.#session ? this.#session.rtp.decrypt(data) : data;
        const { header, payload } = RtpPacket.deSerialize(plain);
        this.seen.push({ at: performance.now(), from, type: header.payloadType, marker: header.marker, seq: header.sequenceNumber, ts: header.timestamp, ssrc: header.ssrc, payload: Buffer.from(payload) });
      }
    } catch {
      this.unreadable += 1;
    }
    this.#wake();
  }

  /** RFC 3550 §6.4.2; the delay is not counted as ours, so it looks like the network's. */
  #report(sr: Buffer, { lost, jitter, delay }: { lost: number; jitter: number; delay: number }): void {
    const report = Buffer.alloc(32);
    report.writeUInt32BE(0x81c9_0007, 0);
    report.writeUInt32BE(this.ssrc, 4);
    sr.copy(report, 8, 4, 8);
    report[12] = lost;
    report.writeUInt32BE(this.seen.at(-1)?.seq ?? 0, 16);
    report.writeUInt32BE(jitter, 20);
    sr.copy(report, 24, 10, 14);
    report.writeUInt32BE(1, 28);
    setTimeout(() => this.sendRtcp(report), delay).unref();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  /** Waits until `done` holds, judged after every packet; fails after `limit` milliseconds. */
  async until(done: (seen: readonly Seen[]) => boolean, limit = 10_000): Promise<void> {
    const deadline = performance.now() + limit;
    while (!done(this.seen)) {
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`not seen within ${limit} ms (${this.seen.length} packets, ${this.unreadable} unreadable)`);
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([
        new Promise<void>((resolve) => { this.#waiters.push(resolve); }),
        new Promise<void>((resolve) => { timer = setTimeout(resolve, left); }),
      ]);
      clearTimeout(timer);
    }
  }

  close(): Promise<void> {
    this.dtls?.close();
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}

/** Calls `each` every 20 ms by the clock, `count` times or until the returned function stops it. */
export function pace(each: (i: number) => void, count = Infinity): { readonly done: Promise<void>; stop(): void } {
  let i = 0;
  const start = performance.now();
  let finish: () => void = () => undefined;
  const done = new Promise<void>((resolve) => { finish = resolve; });
  const timer = setInterval(() => {
    while (i < count && performance.now() - start >= i * 20) each(i++);
    if (i >= count) { clearInterval(timer); finish(); }
  }, 5);
  return { done, stop: () => { clearInterval(timer); finish(); } };
}

/**
 * What Meta demands of one stream: one SSRC, one source address, no break in sequence or timestamps. Packets may come one behind the
 * other: rtpengine 10.5.3 swaps neighbours that it sends within a millisecond when its timer thread is late (transcoding, busy machine).
 */
export function faultsOfStream(arrived: readonly Seen[], step = 960): string[] {
  const seen = [...arrived].sort((a, b) => (((a.seq - b.seq) << 16) >> 16));
  const faults: string[] = [];
  const audio = seen.filter((one) => one.type !== 126);
  if (new Set(seen.map((one) => one.ssrc)).size > 1) faults.push(`SSRCs ${[...new Set(seen.map((one) => one.ssrc))].join()}`);
  if (new Set(seen.map((one) => one.from)).size > 1) faults.push(`addresses ${[...new Set(seen.map((one) => one.from))].join()}`);
  for (let i = 1; i < seen.length; i += 1) {
    const [a, b] = [seen[i - 1] as Seen, seen[i] as Seen];
    if (((b.seq - a.seq) & 0xffff) !== 1) faults.push(`packet ${i}: sequence ${a.seq} to ${b.seq}`);
  }
  if (audio.length === seen.length) {
    for (let i = 1; i < audio.length; i += 1) {
      const difference = ((audio[i] as Seen).ts - (audio[i - 1] as Seen).ts) >>> 0;
      if (difference !== step) faults.push(`packet ${i}: timestamp step ${difference}`);
    }
  }
  return faults;
}

/** The longest time between two packets, milliseconds. */
export function longestGap(seen: readonly Seen[]): number {
  return seen.reduce((longest, one, i) => (i === 0 ? 0 : Math.max(longest, one.at - (seen[i - 1] as Seen).at)), 0);
}
