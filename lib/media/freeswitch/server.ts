import { EventEmitter } from 'node:events';
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { WabError } from '../../errors.js';
import type { AudioSection } from '../../sdp/index.js';
import type { SipHeaders, SipStack } from '../../sip/drachtio.js';
import type { Remote } from '../anchor/messages.js';
import type { AnchorCodec } from '../anchor/rtp.js';
import type { Keying } from '../../config/types.js';
import type { EngineNode, MetaSide, PeerSide, SideEvents } from '../anchored/sides.js';
import type { MediaLogger } from '../logger.js';
import type { PeerMediaProfile } from '../types.js';
import { Channel, type ChannelEvents, type ChannelKind } from './channel.js';
import { EventSocket, type SwitchEvent } from './eventSocket.js';
import { FreeswitchMetaSide } from './metaSide.js';
import type { Nudger } from './nudger.js';
import { FreeswitchPeerSide } from './peerSide.js';
import { FreeswitchWebrtcSide } from './webrtcSide.js';

export interface FreeswitchAddress {
  readonly host: string;
  readonly port: number;
  readonly secret: string;
}

/** The SIP profile of freeswitch/sip_profiles. */
const PROFILE = 'wa-b2bua';
const CONNECT_PATIENCE = 5000;
/** Delays between attempts to connect, in milliseconds; the last one repeats. */
const BACK_OFF = [200, 500, 1000, 2000, 5000];
/** Heartbeats come every 2 s (freeswitch/autoload_configs/switch.conf.xml); so long without one and it counts as gone. */
const HEARTBEAT_PATIENCE = 7000;

/** How long joining two channels may take before it is asked for again, in milliseconds, longer each time, and how often. */
const JOIN_PATIENCE = 700;
const JOIN_ATTEMPTS = 3;

/** When an INVITE of ours that failed has made its channel at the latest, in milliseconds. */
const LATE_CHANNEL = 500;

/** One FreeSWITCH of the operator's: its event socket, its health, its channels. */
export class FreeswitchServer extends EventEmitter<{ up: []; down: [reason: string] }> implements EngineNode {
  readonly address: string;
  version: string | null = null;
  calls = 0;
  healthy = false;
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
  /** Outer channels that are being joined, to which other one. */
  readonly #joining = new Map<string, { readonly other: string; done(joined: boolean): void }>();
  /** Channels to hang up once it can be told. */
  readonly #unwanted = new Set<string>();
  readonly #channels = new Map<string, ChannelEvents>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  #socket: EventSocket | null = null;
  #sip = '';
  #publicAddress: string | null = null;
  #heartbeat: NodeJS.Timeout | null = null;
  #supervision: Promise<void> = Promise.resolve();

  /** `nudger`: for numbers keyed with DTLS, where FreeSWITCH takes those itself. */
  constructor(config: FreeswitchAddress, logger: MediaLogger, stack: () => SipStack, nudger: Nudger | null) {
    super();
    this.#config = config;
    this.#logger = logger;
    this.#stack = stack;
    this.#nudger = nudger;
    this.address = `${config.host}:${config.port}`;
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

  metaSide(_id: string, local: Remote, events: SideEvents, keying: Keying): MetaSide {
    return keying === 'dtls' && this.#nudger !== null ? new FreeswitchWebrtcSide(this, local, this.#nudger, events) : new FreeswitchMetaSide(this, local, events);
  }

  peerSide(_id: string, local: Remote, codec: AnchorCodec, profile: PeerMediaProfile, events: SideEvents): PeerSide {
    return new FreeswitchPeerSide(this, local, codec, profile, events);
  }

  /** @throws WabError 'MEDIA_UNAVAILABLE', 'MEDIA_REFUSED'; SIP_UNAVAILABLE when no SIP server is there to carry the INVITE. */
  async open(kind: ChannelKind, sdp: string, events: ChannelEvents, headers: SipHeaders = {}): Promise<Channel> {
    if (!this.healthy) throw new WabError('MEDIA_UNAVAILABLE', `FreeSWITCH ${this.address} is down`);
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
    // Nobody waits for what cannot come any more.
    this.#joining.get(uuid)?.done(false);
    this.#unwanted.add(uuid);
    this.#killUnwanted();
  }

  /** Where our connection is lost FreeSWITCH goes on with its channels: they wait for the next one. */
  #killUnwanted(): void {
    const socket = this.#socket;
    if (socket === null) return;
    for (const uuid of this.#unwanted) {
      this.#unwanted.delete(uuid);
      this.#until(socket.api(`uuid_kill ${uuid}`).catch((error: unknown) => {
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
    if (this.#socket === null) return Promise.reject(new WabError('MEDIA_UNAVAILABLE', `FreeSWITCH ${this.address} is down`));
    return this.#socket.api(command);
  }

  /**
   * Joins two channels: what comes to one goes out of the other; resolves when they are. FreeSWITCH agrees to join a channel that is
   * still on its way through the dialplan after its 200, and then parks it all the same: what it says counts only when it says it is done.
   * @throws as api; 'MEDIA_UNAVAILABLE' when it does not come to it.
   */
  async bridge(one: Channel, other: Channel): Promise<void> {
    for (let attempt = 1; attempt <= JOIN_ATTEMPTS; attempt += 1) {
      const joined = this.#joined(one.uuid, other.uuid, attempt * JOIN_PATIENCE);
      await this.api(`uuid_bridge ${one.uuid} ${other.uuid}`);
      if (await joined) return;
      // What it says comes late where it is short of time, and to ask again would part the two, which then hang up.
      if ((await this.api(`uuid_getvar ${one.uuid} bridge_to`)).trim() === other.uuid) return;
      this.#logger.debug({ engine: this.address, attempt }, 'two channels were not joined');
    }
    throw new WabError('MEDIA_UNAVAILABLE', `FreeSWITCH ${this.address} does not join two channels`);
  }

  /** Whether this channel is joined to the other before our patience ends. */
  #joined(uuid: string, other: string, patience: number): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (joined: boolean): void => {
        clearTimeout(timer);
        this.#joining.delete(uuid);
        resolve(joined);
      };
      const timer = setTimeout(() => done(false), patience);
      this.#joining.set(uuid, { other, done });
    });
  }

  /** Connects, finds the SIP profile, listens for heartbeats and digits; false when that fails. */
  async #attempt(): Promise<boolean> {
    let socket: EventSocket | null = null;
    try {
      socket = await EventSocket.open(this.#config, CONNECT_PATIENCE);
      const status = await socket.api(`sofia status profile ${PROFILE}`);
      const sip = /^URL\s+sip:[^@\s]+@(\S+)/m.exec(status)?.[1];
      if (sip === undefined) throw new WabError('MEDIA_REFUSED', `FreeSWITCH ${this.address} has no SIP profile ${PROFILE}: start it with the configuration in freeswitch/`);
      const outside = (await socket.api('global_getvar wab_ext_rtp_ip')).trim();
      // FreeSWITCH itself would take a host name, stun: or auto-nat; Meta would be told the private address, and hear nothing.
      if (outside !== '' && isIP(outside) === 0) throw new WabError('MEDIA_REFUSED', `WAB_EXT_RTP_IP of FreeSWITCH ${this.address} is "${outside}": it must be the public IP address itself`);
      this.#publicAddress = outside === '' ? null : outside;
      this.version = /\d+\.\d+\.\d+/.exec(await socket.api('version'))?.[0] ?? null;
      socket.on('event', (event) => this.#take(event));
      await socket.subscribe(['HEARTBEAT', 'DTMF', 'CHANNEL_BRIDGE']);
      if (this.#stopping.signal.aborted) throw new WabError('MEDIA_UNAVAILABLE', 'closed');
      this.#sip = sip;
      this.#socket = socket;
      this.#killUnwanted();
      this.#beat();
      this.healthy = true;
      this.#logger.info({ engine: this.address, version: this.version, sip }, 'connected to FreeSWITCH');
      this.emit('up');
      return true;
    } catch (error) {
      socket?.close();
      if (!this.#stopping.signal.aborted) this.#logger.warn({ engine: this.address, err: error }, 'FreeSWITCH is not there yet');
      return false;
    }
  }

  async #supervise(): Promise<void> {
    let failures = 0;
    while (!this.#stopping.signal.aborted) {
      const socket = this.#socket;
      if (socket !== null) {
        failures = 0;
        this.#fall(await new Promise<string>((resolve) => socket.once('close', resolve)));
      }
      await sleep(BACK_OFF[Math.min(failures++, BACK_OFF.length - 1)], undefined, { signal: this.#stopping.signal }).catch(() => { /* close() */ });
      if (!this.#stopping.signal.aborted) await this.#attempt();
    }
  }

  #fall(reason: string): void {
    if (this.#heartbeat) clearTimeout(this.#heartbeat);
    this.#socket = null;
    if (!this.healthy) return;
    this.healthy = false;
    this.calls = 0;
    this.#channels.clear();
    if (this.#stopping.signal.aborted) return;
    this.#logger.error({ engine: this.address, reason }, 'FreeSWITCH is gone');
    this.emit('down', reason);
  }

  #beat(): void {
    if (this.#heartbeat) clearTimeout(this.#heartbeat);
    this.#heartbeat = setTimeout(() => this.#socket?.close(), HEARTBEAT_PATIENCE);
  }

  #take(event: SwitchEvent): void {
    if (event.get('Event-Name') === 'HEARTBEAT') {
      this.#beat();
      this.#others = Math.max(0, Number(event.get('Session-Count') ?? 0) - this.#channels.size);
      this.maxSessions = Number(event.get('Max-Sessions') ?? Infinity);
      this.idleCpu = Number(event.get('Idle-CPU') ?? 100);
      return;
    }
    if (event.get('Event-Name') === 'CHANNEL_BRIDGE') {
      const [a, b] = [event.get('Bridge-A-Unique-ID') ?? '', event.get('Bridge-B-Unique-ID') ?? ''];
      // Of a join before this one word may come late.
      for (const [one, other] of [[a, b], [b, a]] as const) if (this.#joining.get(one)?.other === other) this.#joining.get(one)?.done(true);
      return;
    }
    // Durations are counted in 1/8000 s.
    this.#channels.get(event.get('Unique-ID') ?? '')?.digit(event.get('DTMF-Digit') ?? '', Number(event.get('DTMF-Duration') ?? 0) / 8);
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    if (this.#heartbeat) clearTimeout(this.#heartbeat);
    // Channels that are being made must not stay behind: each is known, or given up, in seconds.
    if (this.healthy) while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    this.healthy = false;
    this.#socket?.close();
    await this.#supervision;
  }
}
