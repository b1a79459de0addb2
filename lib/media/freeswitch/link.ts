import { EventEmitter } from 'node:events';
import { WabError } from '../../errors.js';
import { patience } from '../../util/patience.js';
import { fsmrf, type EslConnection, type MediaServer, type SwitchEvent } from './fsmrf.js';

export interface FreeswitchAddress {
  readonly host: string;
  readonly port: number;
  readonly secret: string;
}

/** The SIP profile of freeswitch/sip_profiles. */
export const PROFILE = 'wa-b2bua';
/**
 * What MediaServer is given for it. It puts this into /^\s*…\s.*sip:mod_sofia@(IPv4:port)/m as it is, and throws out of a callback of its socket
 * where that does not match (no such profile, or one on IPv6): this matches always, and captures the address where there is one.
 */
export const PROFILE_PATTERN = `[\\s\\S]*?^\\s*${PROFILE}\\s.*sip:mod_sofia@(\\S+)|^|$`;

/** A command that has waited so long shows that FreeSWITCH is short of time, in milliseconds. */
const LATE_MS = 1000;

/**
 * One connection to one FreeSWITCH: a MediaServer of drachtio-fsmrf, whose life ends with it. What it lacks is here: a time limit for each command,
 * which keeps its place when it is given up, so that its late answer is nobody's; and an end of waiting when the connection ends, after which
 * MediaServer.api never comes back. A FreeSWITCH that is slow is not lost with that: its connection stays.
 *
 * drachtio-fsmrf 4.1.2 would connect anew by itself and is not let: the answers of the new connection go to the commands that the old one left waiting,
 * and no HEARTBEAT comes any more. Nor is Mrf.connect used, as who calls it cannot end its attempts: where nobody listens it rejects and then tries
 * 485 times a second, and with a wrong secret it stays pending and tries four times a second for ever (docs/decisions/0006-drachtio-fsmrf.md).
 */
export class Link extends EventEmitter<{ event: [name: string, event: SwitchEvent]; late: []; close: [reason: string] }> {
  readonly #connection: EslConnection;
  #server: MediaServer | null = null;
  #ended: { readonly reason: string; readonly cause: Error | undefined } | null = null;
  readonly #waiting = new Set<() => void>();
  /** Commands without an answer, given up or not. */
  #unanswered = 0;

  private constructor({ host, port, secret }: FreeswitchAddress, ready: () => void) {
    super();
    const { Connection, MediaServer: Server, Mrf } = fsmrf();
    const connection = this.#connection = new Connection(host, port, secret, () => {
      // It writes each command in two pieces, and the second would wait for the ACK of the first.
      connection.socket?.setNoDelay(true);
      connection.socket?.setKeepAlive(true, 5000);
      const server = new Server(connection, new Mrf({}), '127.0.0.1', 0, undefined, undefined, PROFILE_PATTERN);
      // Its timer of a second emits this, whether it is still wanted or not.
      server.on('error', (error: Error) => this.#end(error.message));
      server.once('ready', () => {
        this.#server = server;
        // For endpoints, of which there are none: whoever reaches it could make it throw out of a callback of a socket.
        server._server.close();
        ready();
      });
    });
    // Before those of MediaServer, which finds itself disconnected: it says nothing on the console and does not connect anew.
    connection.on('error', (error: Error) => this.#end(error.message, error));
    connection.on('esl::end', () => this.#end('the connection was closed'));
    connection.on('esl::event::disconnect::notice', () => this.#end('it disconnected us'));
    connection.on('esl::event::auth::fail', () => this.#end('it refuses our secret: compare media.freeswitch[].secret with its WAB_ESL_SECRET'));
    connection.on('esl::event::raw::text/rude-rejection', () => this.#end('it refuses this address: see its event_socket ACL'));
  }

  /** @throws WabError 'MEDIA_UNAVAILABLE' when it cannot be reached or refuses us within `patienceMs`. */
  static async open(address: FreeswitchAddress, patienceMs: number): Promise<Link> {
    let ready: () => void = () => undefined;
    const made = new Promise<void>((resolve) => { ready = resolve; });
    const link = new Link(address, () => ready());
    try {
      await link.#wait<void>(patienceMs, (done) => void made.then(done));
    } catch (error) {
      link.close();
      throw error instanceof WabError ? new WabError(error.code, `${address.host}:${address.port}: ${error.detail}`, { cause: error.cause }) : error;
    }
    return link;
  }

  /** host:port of its SIP profile; null: it has none of our name. */
  get sip(): string | null {
    return this.#server?.sip.ipv4.udp.address ?? null;
  }

  /** From the last heartbeat: channels, how many there may be, and idle CPU in per cent. */
  get health(): { readonly sessions: number; readonly maxSessions: number; readonly idleCpu: number } {
    const { currentSessions: sessions = 0, maxSessions = 0, cpuIdle = 100 } = this.#server ?? {};
    // It reads what an event lacks as NaN.
    return { sessions: sessions > 0 ? sessions : 0, maxSessions: maxSessions > 0 ? maxSessions : Infinity, idleCpu: cpuIdle >= 0 ? cpuIdle : 100 };
  }

  /** Whether some command has no answer yet, given up or not. */
  get behind(): boolean {
    return this.#unanswered > 0;
  }

  /** Subscribes to these events. @throws as api. */
  async subscribe(names: readonly string[], patienceMs = 3000): Promise<void> {
    for (const name of names) this.#connection.on(`esl::event::${name}::*`, (event) => this.emit('event', name, event));
    await this.#wait<void>(patienceMs, (done) => this.#connection.subscribe(names, () => done()));
  }

  /**
   * Runs an API command and gives its answer.
   * @throws WabError 'MEDIA_UNAVAILABLE' when there is none in time, 'MEDIA_REFUSED' when it is "-ERR …".
   */
  async api(command: string, patienceMs = 3000): Promise<string> {
    // A line break would begin a second command.
    const body = await this.#wait<string>(patienceMs, (done) => void this.#server?.api(command.replace(/[\r\n]+/g, ' '), done));
    if (body.startsWith('-ERR')) throw new WabError('MEDIA_REFUSED', `FreeSWITCH answers ${command.split(' ', 1)[0]} with: ${body.trim()}`);
    return body;
  }

  /** Asks, and waits for the answer, which counts as the answer even where nobody waits any more. */
  #wait<T>(patienceMs: number, ask: (done: (answer: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      let cancel: () => void = () => undefined;
      const settle = (end: () => void): void => {
        cancel();
        this.#waiting.delete(ended);
        end();
      };
      const ended = (): void => settle(() => reject(new WabError('MEDIA_UNAVAILABLE', `FreeSWITCH: ${this.#ended?.reason ?? ''}`, { cause: this.#ended?.cause })));
      if (this.#ended !== null) return ended();
      const wait = (left: number): void => {
        const step = Math.min(left, LATE_MS);
        cancel = patience(step, () => {
          if (left <= step) return settle(() => reject(new WabError('MEDIA_UNAVAILABLE', `FreeSWITCH: no answer within ${patienceMs} ms`)));
          this.emit('late');
          wait(left - step);
        });
      };
      wait(patienceMs);
      this.#waiting.add(ended);
      this.#unanswered += 1;
      ask((answer) => {
        this.#unanswered -= 1;
        settle(() => resolve(answer));
      });
    });
  }

  #end(reason: string, cause?: Error): void {
    if (this.#ended !== null) return;
    this.#ended = { reason, cause };
    const { socket } = this.#connection;
    // Nothing hears of it any more, and nothing connects anew. Before it is ready MediaServer cannot be disconnected, and then its timer cleans up.
    this.#connection.removeAllListeners();
    if (this.#server === null) this.#connection.disconnect();
    else this.#server.disconnect();
    socket?.destroy();
    for (const ended of [...this.#waiting]) ended();
    this.emit('close', reason);
  }

  /** May be called twice. */
  close(): void {
    this.#end('closed by us');
  }
}
