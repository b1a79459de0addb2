import { hostCandidate, IceAgent, newIceCredentials, type IceAddress, type IceCredentials, type IceRemote } from '../../lib/media/ice/index.js';
import { readStun, type StunMessage } from '../../lib/media/ice/stun.js';

export interface Datagram { readonly bytes: Buffer; readonly from: IceAddress; readonly to: IceAddress; readonly at: number }

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A network in memory with a clock of its own. Milliseconds. */
export class IceNet {
  now = 1000;
  /** All that was sent, whether it arrived or not. */
  readonly sent: Datagram[] = [];
  /** When copies of a datagram arrive after it was sent; none: lost. */
  path: (datagram: Datagram) => number[] = () => [1];
  /** What the other side sees as the source. */
  nat: (from: IceAddress) => IceAddress = (from) => from;
  readonly #sockets = new Map<string, (datagram: Datagram) => void>();
  readonly #tickers: ((now: number) => void)[] = [];
  #flying: { due: number; datagram: Datagram }[] = [];

  open(address: IceAddress, receive: (datagram: Datagram) => void): void {
    this.#sockets.set(`${address.address} ${address.port}`, receive);
  }

  every5ms(tick: (now: number) => void): void {
    this.#tickers.push(tick);
  }

  send(bytes: Buffer, source: IceAddress, to: IceAddress): void {
    const datagram = { bytes, from: this.nat(source), to, at: this.now };
    this.sent.push(datagram);
    for (const delay of this.path(datagram)) this.#flying.push({ due: this.now + delay, datagram });
  }

  /** Lets time pass, as long as `until` is not so; whether it became so. */
  run(ms: number, until: () => boolean = () => false): boolean {
    for (const end = this.now + ms; this.now < end && !until(); this.now += 1) {
      const due = this.#flying.filter((one) => one.due <= this.now).sort((a, b) => a.due - b.due);
      this.#flying = this.#flying.filter((one) => one.due > this.now);
      for (const { datagram } of due) this.#sockets.get(`${datagram.to.address} ${datagram.to.port}`)?.(datagram);
      if (this.now % 5 === 0) for (const tick of this.#tickers) tick(this.now);
    }
    return until();
  }

  /** Checks and answers sent from here, as they read. */
  from(address: IceAddress): (StunMessage & { readonly to: IceAddress; readonly at: number })[] {
    return this.sent.filter(({ from }) => from.address === address.address && from.port === address.port).map(({ bytes, to, at }) => ({ ...readStun(bytes) as StunMessage, to, at }));
  }
}

/** One agent with its sockets on such a network. */
export class IceEnd {
  readonly agent: IceAgent;
  credentials: IceCredentials = newIceCredentials();
  readonly selected: string[] = [];
  readonly failed: string[] = [];

  constructor(readonly net: IceNet, controlling: boolean, readonly sockets: readonly IceAddress[], seed: number, told: readonly IceAddress[] = sockets) {
    this.told = told;
    this.agent = new IceAgent({
      controlling, ...this.credentials, local: told, random: chance(seed),
      events: {
        send: (bytes, to) => {
          const socket = sockets.find(({ address }) => address.includes(':') === to.address.includes(':'));
          if (socket === undefined) throw new Error(`no socket for ${to.address}`);
          net.send(bytes, socket, to);
        },
        selected: ({ address, port }) => { this.selected.push(`${address} ${port}`); },
        failed: (reason) => { this.failed.push(reason); },
      },
    });
    for (const socket of sockets) net.open(socket, ({ bytes, from }) => { this.agent.receive(bytes, from, net.now); });
    net.every5ms((now) => { this.agent.tick(now); });
  }

  readonly told: readonly IceAddress[];

  /** As its description tells it. */
  get description(): IceRemote {
    return { ...this.credentials, lite: false, candidates: this.told.map(hostCandidate) };
  }

  get isConnected(): boolean {
    return this.agent.state === 'connected';
  }
}

export const A4 = { address: '192.0.2.1', port: 4000 };
export const A6 = { address: '2001:db8::1', port: 4000 };
export const B4 = { address: '198.51.100.2', port: 5000 };
export const B6 = { address: '2001:db8:1::2', port: 5000 };

/** Two agents that know each other and have begun. */
export function pairOf(net: IceNet, options: { readonly roles?: readonly [boolean, boolean]; readonly seed?: number; readonly a?: readonly IceAddress[]; readonly b?: readonly IceAddress[] } = {}): [IceEnd, IceEnd] {
  const { roles = [true, false], seed = 1, a: ofA = [A4], b: ofB = [B4] } = options;
  const [a, b] = [new IceEnd(net, roles[0], ofA, seed), new IceEnd(net, roles[1], ofB, seed + 1000)];
  a.agent.setRemote(b.description);
  b.agent.setRemote(a.description);
  a.agent.start(net.now);
  b.agent.start(net.now);
  return [a, b];
}
