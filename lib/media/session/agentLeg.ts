import { WabError } from '../../errors.js';
import type { Flow } from '../../sdp/index.js';
import type { SideCounters } from '../relay/messages.js';
import type { RelayHandle } from '../relay/handle.js';
import type { RelayCodec } from '../relay/rtp.js';
import type { AgentEnd, LegMediaStats, PeerLeg } from '../types.js';
import { peerStats } from './stats.js';

/** What an agent's leg needs of its call. */
interface AgentHost {
  readonly relay: RelayHandle;
  /** Meta's codec, as far as it is known. */
  readonly codec: RelayCodec;
  closed(leg: AgentLeg): void;
}

const BOTH_WAYS: Flow = { listens: true, sends: true };
const WIRE = { codec: 'L16', keying: 'none', passes: true, ptime: 20 } as const;

/** The leg of a voice agent: no engine, no description, linear audio by a port. */
export class AgentLeg implements PeerLeg {
  readonly number: number;
  readonly events = false;
  readonly flow = BOTH_WAYS;
  readonly #host: AgentHost;
  #final: LegMediaStats | null = null;
  #closing: Promise<void> | null = null;

  constructor(number: number, { link, sampleRate, read }: AgentEnd, host: AgentHost) {
    this.number = number;
    this.#host = host;
    // That it sends nothing for long says nothing: it has nothing to say.
    host.relay.side(number, { end: { link, sampleRate, read } }, { codec: host.codec, audioType: 111, eventType: null, eventUnit: 8000 }, { flow: { listens: true, sends: false } });
  }

  offer(): Promise<string> {
    return Promise.reject(new WabError('MEDIA_REFUSED', 'a voice agent has no description'));
  }

  takeAnswer(): Promise<void> {
    return this.offer().then(() => undefined);
  }

  answer(): Promise<string> {
    return this.offer();
  }

  /** An agent hears the user or nothing: a tone would be speech to be recognised. */
  play(): Promise<void> {
    return Promise.resolve();
  }

  /** Digits go by its socket. */
  sendDtmf(): boolean {
    return false;
  }

  sendDigit(): void { /* likewise */ }

  secure(): void { /* nothing of it is on a network of ours */ }

  packets(): Promise<number | null> {
    return Promise.resolve(null);
  }

  async stats(counters: SideCounters | null): Promise<LegMediaStats> {
    return this.#final ?? peerStats(WIRE, counters, null);
  }

  close(): Promise<void> {
    this.#closing ??= this.#release();
    return this.#closing;
  }

  async #release(): Promise<void> {
    const { relay } = this.#host;
    const { peers } = await relay.stats();
    this.#final = peerStats(WIRE, peers[this.number] ?? null, null);
    relay.post({ op: 'drop', side: this.number });
    this.#host.closed(this);
  }
}
