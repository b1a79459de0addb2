import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { WabError } from '../../errors.js';
import type { AudioSection } from '../../sdp/index.js';
import type { SipHeaders, SipStack } from '../../sip/drachtio.js';
import type { RelayCodec } from '../relay/rtp.js';
import type { Keying } from '../../config/types.js';
import type { EngineNode, MetaSide, PeerSide, SideEvents, SidePlace } from '../session/sides.js';
import type { MediaLogger } from '../logger.js';
import type { PeerMediaProfile } from '../types.js';
import { Channel, type ChannelEvents, type ChannelKind } from './channel.js';
import { AwakeClock, patience } from '../../util/patience.js';
import type { SwitchEvent } from './fsmrf.js';
import { Joins } from './joins.js';
import type { FreeswitchAddress, Link } from './link.js';
import { FreeswitchMetaSide } from './metaSide.js';
import type { Nudger } from './nudger.js';
import { FreeswitchPeerSide } from './peerSide.js';
import { isRefused, reach, type Reached } from './reach.js';
import { BACK_OFF, GONE_MS, HEARTBEAT_PATIENCE, LATE_CHANNEL, MOST_SILENT_MS, REFUSED_MS, RESPONSE_PATIENCE } from './timing.js';
import { FreeswitchWebrtcSide } from './webrtcSide.js';

/**
 * One FreeSWITCH of the operator's: its event socket, its health, its channels. Slow is not dead: while its event socket is silent or lost it
 * gets no new calls, and keeps those it has until it turns out to have ended.
 */
export class FreeswitchServer extends EventEmitter<{ up: []; down: [reason: string] }> implements EngineNode {
  readonly address: string;
  version: string | null = null;
  calls = 0;
  /** It has been connected, and nothing says that it has ended since: its channels stand. */
  #present = false;
  /** It has left a command of ours waiting. */
  #slow = false;
  /** Tells how long ago the last packet of it came, in milliseconds; Infinity: none of a live call's. Set by the engine it belongs to. */
  lastPacket: () => Promise<number> = () => Promise.resolve(Infinity);
  /** No new calls; those there stay until they end. */
  draining = false;
  /** Per cent, from the last heartbeat. */
  idleCpu = 100;
  /** How many channels it may have. */
  maxSessions = Infinity;
  /** Channels there that are not ours, from the last heartbeat. */
  #others = 0;
  readonly #config: FreeswitchAddress;
  readonly #logger: MediaLogger;
  readonly #stack: () => SipStack;
  readonly #nudger: Nudger | null;
  readonly #joins: Joins;
  /** Channels to hang up once it can be told. */
  readonly #unwanted = new Set<string>();
  readonly #channels = new Map<string, ChannelEvents>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  #link: Link | null = null;
  #sip = '';
  #publicAddress: string | null = null;
  /** Of this run of FreeSWITCH. */
  #core = '';
  #stopBeat: () => void = () => undefined;
  #supervision: Promise<void> = Promise.resolve();

  /** `nudger`: for numbers keyed with DTLS, where FreeSWITCH takes those itself. */
  constructor(config: FreeswitchAddress, logger: MediaLogger, stack: () => SipStack, nudger: Nudger | null) {
    super();
    this.#config = config;
    this.#logger = logger;
    this.#stack = stack;
    this.#nudger = nudger;
    this.address = `${config.host}:${config.port}`;
    this.#joins = new Joins({
      address: this.address, api: (command) => this.api(command),
      notJoined: (attempt) => logger.debug({ engine: this.address, attempt }, 'two channels were not joined'),
    });
  }

  /** Whether it can take new calls. */
  get healthy(): boolean {
    return this.#link !== null && !this.#slow;
  }

  async responsive(): Promise<boolean> {
    return await this.#link?.api('uptime', RESPONSE_PATIENCE).then(() => true, () => false) === true;
  }

  /** Channels there, ours and others'; heartbeats would tell of ours two seconds late. */
  get sessions(): number {
    return this.#others + this.#channels.size;
  }

  /** Does not fail when it is absent: it is found when it comes. */
  async start(): Promise<void> {
    await this.#attempt();
    this.#supervision = this.#supervise();
  }

  readonly transcodes = true;

  metaSide({ local }: SidePlace, events: SideEvents, keying: Keying): MetaSide {
    return keying === 'dtls' && this.#nudger !== null ? new FreeswitchWebrtcSide(this, local, this.#nudger, events) : new FreeswitchMetaSide(this, local, events);
  }

  peerSide({ local }: SidePlace, codec: RelayCodec, profile: PeerMediaProfile, events: SideEvents): PeerSide {
    return new FreeswitchPeerSide(this, local, codec, profile, events);
  }

  /** @throws WabError 'MEDIA_UNAVAILABLE', 'MEDIA_REFUSED'; SIP_UNAVAILABLE when no SIP server is there to carry the INVITE. */
  async open(kind: ChannelKind, sdp: string, events: ChannelEvents, headers: SipHeaders = {}): Promise<Channel> {
    if (this.#link === null) throw new WabError('MEDIA_UNAVAILABLE', `FreeSWITCH ${this.address} is down`);
    let uuid = '';
    const opening = Channel.open(this.#stack(), this.#sip, kind, sdp, headers, events, (one) => {
      uuid = one;
      this.#channels.set(one, events);
    });
    this.#until(opening);
    try {
      return await opening;
    } catch (error) {
      // It may have been made all the same, or be about to.
      if (uuid !== '') {
        this.#hangUp(uuid);
        this.#until(sleep(LATE_CHANNEL).then(() => this.#hangUp(uuid)));
      }
      throw error;
    }
  }

  /** Our connection is needed until this is done. */
  #until(work: Promise<unknown>): void {
    const done = work.then(() => undefined, () => undefined).finally(() => this.#underWay.delete(done));
    this.#underWay.add(done);
  }

  /** Hangs a channel up; never throws. */
  hangUp(channel: Channel): void {
    channel.ending();
    this.#hangUp(channel.uuid);
  }

  #hangUp(uuid: string): void {
    this.#channels.delete(uuid);
    this.#joins.hungUp(uuid);
    this.#unwanted.add(uuid);
    this.#killUnwanted();
  }

  /** Where our connection is lost FreeSWITCH goes on with its channels: they wait for the next one. */
  #killUnwanted(): void {
    const link = this.#link;
    if (link === null) return;
    for (const uuid of this.#unwanted) {
      this.#unwanted.delete(uuid);
      this.#until(link.api(`uuid_kill ${uuid}`).catch((error: unknown) => {
        // Refused: there is none.
        if (!(error instanceof WabError && error.code === 'MEDIA_REFUSED') && !this.#stopping.signal.aborted) this.#unwanted.add(uuid);
      }));
    }
  }

  /**
   * A channel's own section as Meta sees it: behind NAT under the public address. FreeSWITCH would tell ours, as everything that it
   * hears before the stream begins comes from this side.
   */
  outside(own: AudioSection): AudioSection {
    const address = this.#publicAddress ?? own.address;
    return { ...own, address, ice: own.ice && { ...own.ice, candidates: own.ice.candidates.map((one) => (one.address === own.address ? { ...one, address } : one)) } };
  }

  /** @throws WabError 'MEDIA_UNAVAILABLE', 'MEDIA_REFUSED'. */
  api(command: string): Promise<string> {
    if (this.#link === null) return Promise.reject(new WabError('MEDIA_UNAVAILABLE', `FreeSWITCH ${this.address} is down`));
    return this.#link.api(command);
  }

  /** Joins two channels. @throws as Joins.join */
  bridge(one: Channel, other: Channel): Promise<void> {
    return this.#joins.join(one.uuid, other.uuid);
  }

  /** Connects, finds the SIP profile, listens for heartbeats and digits; tells whether nobody listens there when that fails. */
  async #attempt(): Promise<'up' | 'refused' | 'silent'> {
    let found: Reached | null = null;
    try {
      found = await reach(this.#config);
      const { link, sip, core } = found;
      link.on('event', (name, event) => this.#take(name, event, link));
      link.on('late', () => this.#late());
      await link.subscribe(['HEARTBEAT', 'DTMF', 'CHANNEL_BRIDGE']);
      if (this.#stopping.signal.aborted) throw new WabError('MEDIA_UNAVAILABLE', 'closed');
      if (core !== this.#core) this.#fall('it was started anew');
      this.#publicAddress = found.publicAddress;
      this.version = found.version;
      this.#sip = sip;
      this.#core = core;
      this.#link = link;
      this.#present = true;
      this.#slow = false;
      this.#killUnwanted();
      this.#beat();
      this.#logger.info({ engine: this.address, version: this.version, sip }, 'connected to FreeSWITCH');
      this.emit('up');
      return 'up';
    } catch (error) {
      found?.link.close();
      if (!this.#stopping.signal.aborted) this.#logger.warn({ engine: this.address, err: error }, this.#present ? 'FreeSWITCH does not answer' : 'FreeSWITCH is not there yet');
      return isRefused(error) ? 'refused' : 'silent';
    }
  }

  async #supervise(): Promise<void> {
    let failures = 0;
    let lost = '';
    const silence = new AwakeClock(performance.now(), MOST_SILENT_MS);
    let since = 0;
    while (!this.#stopping.signal.aborted) {
      const link = this.#link;
      if (link !== null) {
        failures = 0;
        lost = await new Promise<string>((resolve) => link.once('close', resolve));
        this.#disconnected(lost);
        since = silence.look(performance.now());
      }
      await sleep(BACK_OFF[Math.min(failures++, BACK_OFF.length - 1)], undefined, { signal: this.#stopping.signal }).catch(() => { /* close() */ });
      if (this.#stopping.signal.aborted) return;
      const outcome = await this.#attempt();
      if (outcome === 'up' || !this.#present) continue;
      const silent = silence.look(performance.now()) - since;
      if (outcome === 'silent' && silent < GONE_MS) continue;
      if (await this.lastPacket() >= (outcome === 'refused' ? REFUSED_MS : GONE_MS)) this.#fall(`${lost}; ${outcome === 'refused' ? 'nobody listens there' : `nothing heard for ${Math.round(silent / 1000)} s`}`);
    }
  }

  /** Our connection is no more; whether FreeSWITCH is, its machine, its packets or time will tell. */
  #disconnected(reason: string): void {
    this.#stopBeat();
    this.#link = null;
    if (!this.#stopping.signal.aborted) this.#logger.warn({ engine: this.address, reason, calls: this.calls }, 'the connection to FreeSWITCH was lost: it gets no new calls, those it has stay');
  }

  #fall(reason: string): void {
    if (!this.#present) return;
    this.#present = false;
    this.calls = 0;
    this.#channels.clear();
    if (this.#stopping.signal.aborted) return;
    this.#logger.error({ engine: this.address, reason }, 'FreeSWITCH is gone');
    this.emit('down', reason);
  }

  #late(): void {
    if (this.#slow) return;
    this.#slow = true;
    this.#logger.warn({ engine: this.address, calls: this.calls }, 'FreeSWITCH answers late: it gets no new calls, those it has stay');
  }

  #beat(): void {
    this.#stopBeat();
    const link = this.#link;
    this.#stopBeat = patience(HEARTBEAT_PATIENCE, () => link?.close());
    if (!this.#slow || link === null || link.behind) return;
    this.#slow = false;
    this.#logger.info({ engine: this.address }, 'FreeSWITCH answers in time again');
    this.emit('up');
  }

  #take(name: string, event: SwitchEvent, { health }: Link): void {
    if (name === 'HEARTBEAT') {
      this.#beat();
      this.#killUnwanted();
      this.#others = Math.max(0, health.sessions - this.#channels.size);
      this.maxSessions = health.maxSessions;
      this.idleCpu = health.idleCpu;
      return;
    }
    if (name === 'CHANNEL_BRIDGE') {
      this.#joins.heard(event.getHeader('Bridge-A-Unique-ID') ?? '', event.getHeader('Bridge-B-Unique-ID') ?? '');
      return;
    }
    // Durations are counted in 1/8000 s.
    this.#channels.get(event.getHeader('Unique-ID') ?? '')?.digit(event.getHeader('DTMF-Digit') ?? '', Number(event.getHeader('DTMF-Duration') ?? 0) / 8);
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    this.#stopBeat();
    // Channels that are being made must not stay behind: each is known, or given up, in seconds.
    if (this.#link !== null) while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    this.#link?.close();
    await this.#supervision;
  }
}
