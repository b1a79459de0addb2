// Two DTLS ends and a wire between them, on a clock of its own.
import { DtlsEndpoint, makeCertificate } from '../../../lib/media/dtls/index.js';
import type { DtlsCertificate, DtlsOptions } from '../../../lib/media/dtls/index.js';
import type { SrtpKeys } from '../../../lib/media/srtp/index.js';

export interface End {
  readonly endpoint: DtlsEndpoint;
  readonly sent: Buffer[];
  keys?: { local: SrtpKeys; remote: SrtpKeys };
  connectedAt?: number;
  failure?: { reason: string; kind: string };
}

export const ours = makeCertificate();
export const theirs = makeCertificate();

export function fingerprintsOf({ fingerprint }: DtlsCertificate): { hash: string; value: string }[] {
  const [hash = '', value = ''] = fingerprint.split(' ');
  return [{ hash, value }];
}

/** What becomes of a datagram: when each copy arrives, in milliseconds from now. */
export type Fate = (datagram: Buffer, from: 'client' | 'server') => readonly { after: number; bytes: Buffer }[];

export const soon: Fate = (bytes) => [{ after: 1, bytes }];

export class Wire {
  now = 1000;
  readonly ends: Readonly<Record<'client' | 'server', End>>;
  private readonly underWay: { at: number; to: 'client' | 'server'; bytes: Buffer }[] = [];

  constructor(private readonly fate: Fate = soon, options: { client?: Partial<DtlsOptions>; server?: Partial<DtlsOptions> } = {}) {
    this.ends = {
      client: this.end('client', { certificate: ours, fingerprints: fingerprintsOf(options.server?.certificate ?? theirs), ...options.client }),
      server: this.end('server', { certificate: theirs, fingerprints: fingerprintsOf(options.client?.certificate ?? ours), ...options.server }),
    };
  }

  deliver(to: 'client' | 'server', bytes: Buffer, after = 0): void {
    this.underWay.push({ at: this.now + after, to, bytes });
  }

  start(): this {
    this.ends.server.endpoint.start(this.now);
    this.ends.client.endpoint.start(this.now);
    return this;
  }

  /** Until both have come to an end, or the time is over. */
  run(milliseconds = 40_000): this {
    const until = this.now + milliseconds;
    const { client, server } = this.ends;
    while (this.now < until && !([client, server].every(({ endpoint }) => !['new', 'handshaking'].includes(endpoint.state)) && this.underWay.length === 0)) this.step();
    return this;
  }

  step(): void {
    this.now++;
    for (const one of this.underWay.splice(0)) {
      if (one.at <= this.now) this.ends[one.to].endpoint.receive(one.bytes, this.now);
      else this.underWay.push(one);
    }
    if (this.now % 5 === 0) for (const { endpoint } of Object.values(this.ends)) endpoint.tick(this.now);
  }

  private end(role: 'client' | 'server', options: Omit<DtlsOptions, 'role' | 'events'>): End {
    const to = role === 'client' ? 'server' : 'client';
    const end: End = {
      sent: [],
      endpoint: new DtlsEndpoint({
        role, ...options,
        events: {
          send: (datagram) => {
            end.sent.push(datagram);
            for (const { after, bytes } of this.fate(datagram, role)) this.deliver(to, bytes, after);
          },
          connected: (keys) => {
            if (end.keys !== undefined) throw new Error('connected twice');
            end.keys = keys;
            end.connectedAt = this.now;
          },
          failed: (reason, kind) => {
            if (end.failure !== undefined) throw new Error('failed twice');
            end.failure = { reason, kind };
          },
        },
      }),
    };
    return end;
  }
}

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let n = Math.imul(state ^ (state >>> 15), 1 | state);
    n = (n + Math.imul(n ^ (n >>> 7), 61 | n)) ^ n;
    return ((n ^ (n >>> 14)) >>> 0) / 2 ** 32;
  };
}
