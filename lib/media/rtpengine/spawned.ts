import { setTimeout as sleep } from 'node:timers/promises';
import type { RtpengineConfig } from '../../config/types.js';
import { WabError } from '../../errors.js';
import type { MediaLogger } from '../logger.js';
import { ICE_PATIENCE, Instance } from './instance.js';
import { overlapping } from './others.js';
import { checkInterfaces } from '../interfaces.js';
import { EngineProcess, engineVersion } from './process.js';

/** Restart delays in milliseconds; the last one repeats. */
const BACK_OFF = [100, 500, 2000, 5000, 15_000];
/** How long a started engine may take to answer its first ping. */
const START_PATIENCE = 8000;
const START_ATTEMPTS = 3;
/** How long ICE may take at most where it can be seen, in milliseconds. */
const ICE_LIMIT = 5000;

/** An engine of our own, restarted when it dies. */
export class SpawnedInstance extends Instance {
  /** The kernel tells us when its process ends. */
  protected readonly endsUnseen = false;
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
    const { interface: { meta, peers }, anchor } = this.#config;
    await checkInterfaces({ 'media.rtpengine.interface.meta': meta, 'media.rtpengine.interface.peers': peers, 'media.rtpengine.anchor': anchor });
    for (const { pid, first, last } of await overlapping(this.#config, null)) {
      this.logger.warn({ key: 'media.rtpengine.ports', pid }, `another rtpengine (process ${pid}) gives out the UDP ports ${first}-${last} on the same address: give each service a range of its own in media.rtpengine.ports`);
    }
    // Another program may take the control port between our finding it free and the engine's binding it.
    for (let attempt = 1; !this.present; attempt += 1) {
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
    return this.#process?.iceCompleted(call, ICE_LIMIT, ICE_PATIENCE) ?? super.iceCompleted(call);
  }

  /** Hung for good: its end is seen as any other, and the next one is started. */
  protected giveUp(reason: string): void {
    this.logger.error({ engine: this.address, reason }, 'rtpengine hangs and is killed');
    this.#process?.kill();
  }

  async #launch(): Promise<void> {
    const engine = await EngineProcess.spawn(this.#config, this.logger);
    this.#process = engine;
    this.client?.close();
    const client = this.client = this.newClient('127.0.0.1', engine.control);
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
