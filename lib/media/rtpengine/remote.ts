import type { MediaLogger } from '../logger.js';
import { Instance, PING_PATIENCE } from './instance.js';

/** An engine of the operator's, reached by its control socket. */
export class RemoteInstance extends Instance {
  protected readonly endsUnseen = true;

  constructor(host: string, port: number, logger: MediaLogger) {
    super(logger);
    this.client = this.newClient(host, port);
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

  protected giveUp(reason: string): void {
    this.fall(reason);
  }

  close(): Promise<void> {
    this.unwatch();
    return Promise.resolve();
  }
}
