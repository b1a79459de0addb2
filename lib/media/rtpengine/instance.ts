import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RtpengineConfig } from '../../config/types.js';
import { WabError } from '../../errors.js';
import type { Remote } from '../anchor/messages.js';
import type { AnchorCodec } from '../anchor/rtp.js';
import type { EngineNode, MetaSide, PeerSide } from '../anchored/sides.js';
import type { MediaLogger } from '../logger.js';
import type { PeerMediaProfile } from '../types.js';
import { RtpengineMetaSide } from './metaSide.js';
import { RtpenginePeerSide } from './peerSide.js';
import { NgClient, type NgAnswer, type NgCommand } from './ngClient.js';
import { checkInterfaces, EngineProcess, engineVersion } from './process.js';

/** Milliseconds between two pings, how long one may take, and how many may fail before the engine counts as gone. */
const PING_EVERY = 2000;
const PING_PATIENCE = 2000;
const PINGS_MISSED = 2;
/** Restart delays in milliseconds; the last one repeats. */
const BACK_OFF = [100, 500, 2000, 5000, 15_000];
/** How long a started engine may take to answer its first ping. */
const START_PATIENCE = 8000;
const START_ATTEMPTS = 3;
/** How long ICE may take where it cannot be seen, and at most where it can, in milliseconds. */
const ICE_PATIENCE = 400;
const ICE_LIMIT = 5000;

interface InstanceEvents { up: []; down: [reason: string] }

/** One rtpengine: its control client, its health, and its process when it is ours. */
export abstract class Instance extends EventEmitter<InstanceEvents> implements EngineNode {
  version: string | null = null;
  calls = 0;
  healthy = false;
  protected client: NgClient | null = null;
  protected closed = false;
  protected readonly stopping = new AbortController();
  #ping: NodeJS.Timeout | null = null;

  constructor(protected readonly logger: MediaLogger) {
    super();
  }

  get address(): string {
    return this.client?.address ?? 'none';
  }

  metaSide(id: string, local: Remote): MetaSide {
    return new RtpengineMetaSide(this, id, local);
  }

  peerSide(id: string, local: Remote, codec: AnchorCodec, profile: PeerMediaProfile): PeerSide {
    return new RtpenginePeerSide(this, id, local, codec, profile);
  }

  /** One ng command. @throws WabError as NgClient.request; also when the engine is down. */
  request(command: string, parameters: NgCommand): Promise<NgAnswer> {
    if (!this.healthy || !this.client) return Promise.reject(new WabError('MEDIA_UNAVAILABLE', `rtpengine ${this.address} is down`));
    return this.client.request(command, parameters);
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

  protected rise(): void {
    if (this.closed || this.healthy) return;
    this.healthy = true;
    this.emit('up');
  }

  protected fall(reason: string): void {
    if (!this.healthy) return;
    this.healthy = false;
    this.calls = 0;
    this.logger.error({ engine: this.address, reason }, 'rtpengine is gone');
    this.emit('down', reason);
  }

  /** Watches the engine by ping until close(). */
  protected watch(): void {
    let missed = 0;
    const round = async (): Promise<void> => {
      const client = this.client;
      try {
        await client?.request('ping', {}, PING_PATIENCE);
        missed = 0;
        if (client === this.client) this.rise();
      } catch {
        missed += 1;
        if (client === this.client && missed >= PINGS_MISSED) this.fall('it does not answer pings');
      }
      if (!this.closed) this.#ping = setTimeout(() => void round(), PING_EVERY);
    };
    this.#ping = setTimeout(() => void round(), PING_EVERY);
  }

  protected unwatch(): void {
    this.closed = true;
    this.stopping.abort();
    this.healthy = false;
    if (this.#ping) clearTimeout(this.#ping);
    this.#ping = null;
    this.client?.close();
  }
}

/** An engine of the operator's, reached by its control socket. */
export class RemoteInstance extends Instance {
  constructor(host: string, port: number, logger: MediaLogger) {
    super(logger);
    this.client = new NgClient(host, port);
  }

  /** Does not fail when the engine is absent: it is found when it comes. */
  async start(): Promise<void> {
    try {
      await this.client?.request('ping', {}, PING_PATIENCE);
      this.rise();
    } catch (error) {
      this.logger.warn({ engine: this.address, err: error }, 'rtpengine does not answer yet');
    }
    this.watch();
  }

  close(): Promise<void> {
    this.unwatch();
    return Promise.resolve();
  }
}

/** An engine of our own, restarted when it dies. */
export class SpawnedInstance extends Instance {
  readonly #config: RtpengineConfig;
  #process: EngineProcess | null = null;
  #supervision: Promise<void> = Promise.resolve();

  constructor(config: RtpengineConfig, logger: MediaLogger) {
    super(logger);
    this.#config = config;
  }

  /** Process id of the running engine, for tests and doctor. */
  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  /** @throws WabError 'MEDIA_UNAVAILABLE' when the program is missing or does not come up. */
  async start(): Promise<void> {
    this.version = await engineVersion(this.#config.program);
    await checkInterfaces(this.#config);
    // Another program may take the control port between our finding it free and the engine's binding it.
    for (let attempt = 1; !this.healthy; attempt += 1) {
      try {
        await this.#launch();
      } catch (error) {
        if (attempt === START_ATTEMPTS || this.closed) throw error;
        this.logger.warn({ err: error, attempt }, 'rtpengine did not start');
      }
    }
    this.watch();
    this.#supervision = this.#supervise();
  }

  override iceCompleted(call: string): Promise<void> {
    return this.#process?.iceCompleted(call, ICE_LIMIT) ?? super.iceCompleted(call);
  }

  async #launch(): Promise<void> {
    const engine = await EngineProcess.spawn(this.#config, this.logger);
    this.#process = engine;
    this.client?.close();
    const client = this.client = new NgClient('127.0.0.1', engine.control);
    let end: string | null = null;
    void engine.ended.then((reason) => { end = reason; });
    const deadline = performance.now() + START_PATIENCE;
    while (end === null && !this.closed && performance.now() < deadline) {
      try {
        await client.request('ping', {}, 200);
        this.logger.info({ engine: client.address, version: this.version }, 'rtpengine runs');
        this.rise();
        return;
      } catch { /* not listening yet */ }
      await sleep(20);
    }
    await engine.stop();
    throw new WabError('MEDIA_UNAVAILABLE', `rtpengine ${end ?? 'does not answer its control socket'}`);
  }

  /** Waits for the process to end and starts the next, until close(). */
  async #supervise(): Promise<void> {
    let failures = 0;
    while (!this.closed) {
      const since = performance.now();
      const reason = await this.#process?.ended ?? 'was never started';
      if (this.closed) return;
      this.fall(reason);
      if (performance.now() - since > 60_000) failures = 0;
      const delay = BACK_OFF[Math.min(failures, BACK_OFF.length - 1)] ?? 1000;
      failures += 1;
      await sleep(delay, undefined, { signal: this.stopping.signal }).catch(() => { /* close() */ });
      if (this.closed) return;
      try {
        await this.#launch();
      } catch (error) {
        this.logger.error({ err: error }, 'rtpengine does not start again');
      }
    }
  }

  async close(): Promise<void> {
    this.unwatch();
    await this.#process?.stop();
    await this.#supervision;
  }
}
