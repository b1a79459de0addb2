import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Keying } from '../../config/types.js';
import { WabError } from '../../errors.js';
import { after } from '../../util/after.js';
import type { RelayCodec } from '../relay/rtp.js';
import type { EngineNode, MetaSide, PeerSide, SideEvents, SidePlace } from '../session/sides.js';
import type { MediaLogger } from '../logger.js';
import type { PeerMediaProfile } from '../types.js';
import type { EngineCall } from './engineCall.js';
import { RtpengineMetaSide } from './metaSide.js';
import { RtpenginePeerSide } from './peerSide.js';
import { NgClient, type NgAnswer, type NgCommand } from './ngClient.js';

/** Milliseconds between two pings, between those of an engine that is slow, and how long one may take. */
const PING_EVERY = 2000;
const PING_AGAIN = 500;
export const PING_PATIENCE = 2000;
/** So long without an answer, and without a packet, and an engine counts as gone, in milliseconds. */
const GONE_MS = 30_000;
/** The same where its machine says that nobody listens at its control port any more: the streams of live calls have a packet every 20 ms. */
const REFUSED_MS = 300;
/** An engine that was slow has to answer in time for so long before it gets new calls, in milliseconds. */
const CALM_MS = 1000;
/** For how long an engine is told that a call has ended, in milliseconds. */
const FREE_PATIENCE = 60_000;
/** How long an engine may take to show that it is there, in milliseconds. */
const RESPONSE_PATIENCE = 700;
/** How long ICE may take where it cannot be seen, in milliseconds. */
export const ICE_PATIENCE = 400;

interface InstanceEvents { up: []; down: [reason: string] }

/**
 * One rtpengine: its control client, its health, what we hold there. Slow is not dead: an engine whose answers come late gets no new calls
 * and keeps those it has. It is gone when its process has ended, or when it neither answers nor sends a packet for long.
 */
export abstract class Instance extends EventEmitter<InstanceEvents> implements EngineNode {
  readonly transcodes = true;
  version: string | null = null;
  calls = 0;
  /** It has answered, and nothing says that it is gone: what it holds it holds. */
  present = false;
  /** Tells how long ago the last packet of it came, in milliseconds; Infinity: none of a live call's. Set by the engine it belongs to. */
  lastPacket: () => Promise<number> = () => Promise.resolve(Infinity);
  protected client: NgClient | null = null;
  protected closed = false;
  protected readonly stopping = new AbortController();
  #slow = false;
  /** When an answer of it was late last, milliseconds of performance.now(). */
  #troubledAt = -Infinity;
  /** For how long it has answered nothing, in milliseconds that we waited. */
  #silentMs = 0;
  readonly #held = new Set<EngineCall>();
  #ping: NodeJS.Timeout | null = null;

  constructor(protected readonly logger: MediaLogger) {
    super();
  }

  get address(): string {
    return this.client?.address ?? 'none';
  }

  /** Whether it can take new calls. */
  get healthy(): boolean {
    return this.present && !this.#slow;
  }

  metaSide({ id, local }: SidePlace, events: SideEvents, _keying: Keying): MetaSide {
    return new RtpengineMetaSide(this, id, local, events);
  }

  peerSide({ id, local }: SidePlace, codec: RelayCodec, profile: PeerMediaProfile, events: SideEvents): PeerSide {
    return new RtpenginePeerSide(this, id, local, codec, profile, events);
  }

  /** One ng command. @throws WabError as NgClient.request; also when the engine is gone. */
  request(command: string, parameters: NgCommand): Promise<NgAnswer> {
    if (!this.present || !this.client) return Promise.reject(new WabError('MEDIA_UNAVAILABLE', `rtpengine ${this.address} is down`));
    return this.client.request(command, parameters);
  }

  /** Ends a call there; resolves when it has, or when that is out of our hands. Never rejects. */
  async free(id: string): Promise<void> {
    if (this.present) await this.client?.request('delete', { 'call-id': id, 'delete-delay': 0 }, FREE_PATIENCE).catch(() => { /* it knows none, or is gone */ });
  }

  /** This call stands there, until lets(). */
  holds(call: EngineCall): void {
    this.#held.add(call);
  }

  lets(call: EngineCall): void {
    this.#held.delete(call);
  }

  async responsive(): Promise<boolean> {
    return this.present && await this.client?.request('ping', {}, RESPONSE_PATIENCE).then(() => true, () => false) === true;
  }

  /**
   * Resolves when the engine has nominated a pair for this ng call; ask before it gets the candidates. The control protocol does not
   * tell, so an engine that cannot be watched is given a while: three round trips of 100 ms and the 100 ms it waits before nominating.
   */
  iceCompleted(_call: string): Promise<void> {
    return sleep(ICE_PATIENCE, undefined, { signal: this.stopping.signal }).catch(() => { /* close() */ });
  }

  abstract start(): Promise<void>;
  abstract close(): Promise<void>;
  /** Nothing has been heard for too long. */
  protected abstract giveUp(reason: string): void;
  /** Whether a refused control port says that the engine has ended. */
  protected abstract readonly endsUnseen: boolean;

  protected newClient(host: string, port: number): NgClient {
    const client: NgClient = new NgClient(host, port, {
      answered: (waitedMs) => { if (client === this.client) this.#answered(waitedMs); },
      late: () => { if (client === this.client) this.#late(); },
    });
    return client;
  }

  protected rise(): void {
    if (this.closed || this.present) return;
    this.present = true;
    this.#slow = false;
    this.emit('up');
  }

  protected fall(reason: string): void {
    if (!this.present) return;
    this.present = false;
    this.calls = 0;
    this.#held.clear();
    this.logger.error({ engine: this.address, reason }, 'rtpengine is gone');
    this.emit('down', reason);
  }

  #answered(waitedMs: number): void {
    this.#silentMs = 0;
    const now = performance.now();
    if (waitedMs > 0) this.#troubledAt = now;
    if (!this.#slow || now - this.#troubledAt < CALM_MS) return;
    this.#slow = false;
    if (!this.present) return;
    this.logger.info({ engine: this.address }, 'rtpengine answers in time again');
    this.emit('up');
  }

  #late(): void {
    this.#troubledAt = performance.now();
    if (this.#slow || !this.present) return;
    this.#slow = true;
    void this.#judge(this.client);
    this.logger.warn({ engine: this.address, calls: this.calls }, 'rtpengine answers late: it gets no new calls, those it has stay');
  }

  /** Watches the engine until close(). */
  protected watch(): void {
    const look = async (): Promise<void> => {
      const client = this.client;
      const every = this.#slow ? PING_AGAIN : PING_EVERY;
      try {
        await client?.request('ping', {}, PING_PATIENCE);
        if (client === this.client) {
          this.rise();
          await this.#lookForOurs();
        }
      } catch {
        this.#silentMs += every + PING_PATIENCE;
        if (client === this.client && this.present) await this.#judge(client);
      }
    };
    // Whatever a round ends with there is another.
    const plan = (ms: number): void => {
      this.#ping = after(ms, () => void look().finally(() => { if (!this.closed) plan(this.#slow ? PING_AGAIN : PING_EVERY); }));
    };
    plan(PING_EVERY);
  }

  /** Whether an engine that does not answer is gone. */
  async #judge(client: NgClient | null): Promise<void> {
    const refused = this.endsUnseen && await client?.refused() === true;
    if (!refused && this.#silentMs < GONE_MS) return;
    if (await this.lastPacket() < (refused ? REFUSED_MS : GONE_MS) || this.closed || this.#silentMs === 0) return;
    this.giveUp(refused ? 'nobody listens at its control port' : `nothing has been heard of it for ${Math.round(this.#silentMs / 1000)} s`);
  }

  /** An engine that was started anew answers pings and knows none of our calls; one that has been told to end a call knows the others. */
  async #lookForOurs(): Promise<void> {
    for (const call of [...this.#held]) {
      const { known, reason } = await this.request('query', { 'call-id': call.id })
        .then(() => ({ known: true, reason: '' }), (error: unknown) => ({ known: !isUnknown(error), reason: String(error) }));
      if (!this.#held.delete(call)) continue;
      if (known) {
        // The next round asks for another.
        this.#held.add(call);
        return;
      }
      this.logger.warn({ engine: this.address, call: call.id, reason }, 'rtpengine has lost a call');
      call.lost('the media engine does not know the call any more');
    }
  }

  protected unwatch(): void {
    this.closed = true;
    this.stopping.abort();
    this.present = false;
    if (this.#ping) clearTimeout(this.#ping);
    this.#ping = null;
    this.client?.close();
  }
}

function isUnknown(error: unknown): boolean {
  return error instanceof WabError && error.code === 'MEDIA_REFUSED' && /unknown call/i.test(error.message);
}
