import { EventEmitter, once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { WabError } from '../../errors.js';
import { patience } from '../../util/patience.js';

/** An event of FreeSWITCH: its headers, as they came. */
export type SwitchEvent = ReadonlyMap<string, string>;

/** A frame larger than this is no answer to anything we ask, in bytes. */
const MAX_FRAME = 4 << 20;

interface Frame { readonly headers: SwitchEvent; readonly body: string }

/** A command that has waited so long shows that FreeSWITCH is short of time, in milliseconds. */
const LATE_MS = 1000;

/**
 * A client of one FreeSWITCH's event socket. Commands are answered in their order: one that is given up keeps its place, and its answer,
 * when it comes, is nobody's. A FreeSWITCH that is slow is not lost with that: its connection stays. drachtio-fsmrf's connection beneath its MediaServer does the same work, but
 * throws out of a callback when a SIP profile is missing, waits ever longer between two attempts to connect, and has no time limits.
 */
export class EventSocket extends EventEmitter<{ event: [event: SwitchEvent]; late: []; close: [reason: string] }> {
  readonly #socket: Socket;
  readonly #waiting: ((frame: Frame) => void)[] = [];
  #buffer: Buffer = Buffer.alloc(0);
  #closed = false;
  #onEnd: ((reason: string) => void)[] = [];

  private constructor(socket: Socket) {
    super();
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 5000);
    socket.on('data', (data) => this.#read(data));
    socket.on('error', (error) => this.#end(error.message));
    socket.on('close', () => this.#end('the connection was closed'));
  }

  /** @throws WabError 'MEDIA_UNAVAILABLE' when it cannot be reached or refuses us within `patienceMs`. */
  static async open(address: { readonly host: string; readonly port: number; readonly secret: string }, patienceMs: number): Promise<EventSocket> {
    const socket = connect(address.port, address.host);
    const name = `${address.host}:${address.port}`;
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(patienceMs) });
    } catch (cause) {
      socket.destroy();
      throw new WabError('MEDIA_UNAVAILABLE', `FreeSWITCH ${name} does not accept connections`, { cause });
    }
    const client = new EventSocket(socket);
    try {
      const greeting = await client.#next(patienceMs);
      if (greeting.headers.get('Content-Type') !== 'auth/request') throw new WabError('MEDIA_UNAVAILABLE', `FreeSWITCH ${name} refuses this address: see its event_socket ACL`);
      const reply = await client.#command(`auth ${address.secret}`, patienceMs);
      if (!reply.startsWith('+OK')) throw new WabError('MEDIA_UNAVAILABLE', `FreeSWITCH ${name} refuses our secret: compare media.freeswitch[].secret with its WAB_ESL_SECRET`);
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  /** Subscribes to these events. @throws as api. */
  async subscribe(names: readonly string[], patienceMs = 3000): Promise<void> {
    await this.#command(`event plain ${names.join(' ')}`, patienceMs);
  }

  /**
   * Runs an API command and gives its answer.
   * @throws WabError 'MEDIA_UNAVAILABLE' when there is none in time, 'MEDIA_REFUSED' when it is "-ERR …".
   */
  async api(command: string, patienceMs = 3000): Promise<string> {
    const { body } = await this.#ask(`api ${command}`, patienceMs);
    if (body.startsWith('-ERR')) throw new WabError('MEDIA_REFUSED', `FreeSWITCH answers ${command.split(' ', 1)[0]} with: ${body.trim()}`);
    return body;
  }

  async #command(text: string, patienceMs: number): Promise<string> {
    return (await this.#ask(text, patienceMs)).headers.get('Reply-Text') ?? '';
  }

  #ask(text: string, patienceMs: number): Promise<Frame> {
    if (this.#closed) return Promise.reject(new WabError('MEDIA_UNAVAILABLE', 'the connection to FreeSWITCH is closed'));
    // A line break would begin a second command.
    this.#socket.write(`${text.replace(/[\r\n]+/g, ' ')}\n\n`);
    return this.#next(patienceMs);
  }

  /** The next answer that is nobody's yet. */
  #next(patienceMs: number): Promise<Frame> {
    return new Promise((resolve, reject) => {
      let cancel: () => void = () => undefined;
      const done = (): void => {
        cancel();
        this.#onEnd = this.#onEnd.filter((one) => one !== fail);
      };
      const fail = (reason: string): void => {
        done();
        reject(new WabError('MEDIA_UNAVAILABLE', `FreeSWITCH: ${reason}`));
      };
      const wait = (left: number): void => {
        const step = Math.min(left, LATE_MS);
        cancel = patience(step, () => {
          if (left <= step) return fail(`no answer within ${patienceMs} ms`);
          this.emit('late');
          wait(left - step);
        });
      };
      wait(patienceMs);
      this.#onEnd.push(fail);
      this.#waiting.push((frame) => {
        done();
        resolve(frame);
      });
    });
  }

  /** Whether some command has no answer yet, given up or not. */
  get behind(): boolean {
    return this.#waiting.length > 0;
  }

  /** Frames are header lines, an empty line and, with Content-Length, a body (FreeSWITCH, "Event Socket"). */
  #read(data: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? data : Buffer.concat([this.#buffer, data]);
    for (;;) {
      const end = this.#buffer.indexOf('\n\n');
      if (end === -1 || this.#buffer.length > MAX_FRAME) break;
      const headers = readHeaders(this.#buffer.toString('utf8', 0, end), false);
      const length = Number(headers.get('Content-Length') ?? 0);
      if (this.#buffer.length < end + 2 + length) break;
      const body = this.#buffer.toString('utf8', end + 2, end + 2 + length);
      this.#buffer = this.#buffer.subarray(end + 2 + length);
      this.#take({ headers, body });
    }
    if (this.#buffer.length > MAX_FRAME) this.#end('it sends more than can be an answer');
  }

  #take(frame: Frame): void {
    switch (frame.headers.get('Content-Type')) {
      case 'text/event-plain': {
        this.emit('event', readHeaders(frame.body.split('\n\n', 1)[0] ?? '', true));
        return;
      }
      case 'text/disconnect-notice': {
        this.#end('it disconnected us');
        return;
      }
      default: this.#waiting.shift()?.(frame);
    }
  }

  #end(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    for (const fail of [...this.#onEnd]) fail(reason);
    this.emit('close', reason);
  }

  /** May be called twice. */
  close(): void {
    this.#end('closed by us');
  }
}

/** Event headers are escaped like the parts of a URI. */
function readHeaders(text: string, escaped: boolean): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon === -1) continue;
    const value = line.slice(colon + 1).trim();
    headers.set(line.slice(0, colon), escaped ? unescape(value) : value);
  }
  return headers;
}

function unescape(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
