import { EventEmitter, once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { WabError } from '../../errors.js';

/** An event of FreeSWITCH: its headers, as they came. */
export type SwitchEvent = ReadonlyMap<string, string>;

/** A frame larger than this is no answer to anything we ask, in bytes. */
const MAX_FRAME = 4 << 20;

interface Frame { readonly headers: SwitchEvent; readonly body: string }

/**
 * A client of one FreeSWITCH's event socket. Commands are answered in their order, so one that is not answered in time ends the
 * connection: what came after could not be told apart. drachtio-fsmrf's connection beneath its MediaServer does the same work, but
 * throws out of a callback when a SIP profile is missing, waits ever longer between two attempts to connect, and has no time limits.
 */
export class EventSocket extends EventEmitter<{ event: [event: SwitchEvent]; close: [reason: string] }> {
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

  /** @throws WabError 'MEDIA_UNAVAILABLE' when it cannot be reached or refuses us within `patience` milliseconds. */
  static async open(address: { readonly host: string; readonly port: number; readonly secret: string }, patience: number): Promise<EventSocket> {
    const socket = connect(address.port, address.host);
    const name = `${address.host}:${address.port}`;
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(patience) });
    } catch (cause) {
      socket.destroy();
      throw new WabError('MEDIA_UNAVAILABLE', `FreeSWITCH ${name} does not accept connections`, { cause });
    }
    const client = new EventSocket(socket);
    try {
      const greeting = await client.#next(patience);
      if (greeting.headers.get('Content-Type') !== 'auth/request') throw new WabError('MEDIA_UNAVAILABLE', `FreeSWITCH ${name} refuses this address: see its event_socket ACL`);
      const reply = await client.#command(`auth ${address.secret}`, patience);
      if (!reply.startsWith('+OK')) throw new WabError('MEDIA_UNAVAILABLE', `FreeSWITCH ${name} refuses our secret: compare media.freeswitch[].secret with its WAB_ESL_SECRET`);
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  /** Subscribes to these events. @throws as api. */
  async subscribe(names: readonly string[], patience = 3000): Promise<void> {
    await this.#command(`event plain ${names.join(' ')}`, patience);
  }

  /**
   * Runs an API command and gives its answer.
   * @throws WabError 'MEDIA_UNAVAILABLE' when there is none in time, 'MEDIA_REFUSED' when it is "-ERR …".
   */
  async api(command: string, patience = 3000): Promise<string> {
    const { body } = await this.#ask(`api ${command}`, patience);
    if (body.startsWith('-ERR')) throw new WabError('MEDIA_REFUSED', `FreeSWITCH answers ${command.split(' ', 1)[0]} with: ${body.trim()}`);
    return body;
  }

  async #command(text: string, patience: number): Promise<string> {
    return (await this.#ask(text, patience)).headers.get('Reply-Text') ?? '';
  }

  #ask(text: string, patience: number): Promise<Frame> {
    if (this.#closed) return Promise.reject(new WabError('MEDIA_UNAVAILABLE', 'the connection to FreeSWITCH is closed'));
    // A line break would begin a second command.
    this.#socket.write(`${text.replace(/[\r\n]+/g, ' ')}\n\n`);
    return this.#next(patience);
  }

  #next(patience: number): Promise<Frame> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#end(`no answer within ${patience} ms`), patience);
      const done = (): void => {
        clearTimeout(timer);
        this.#onEnd = this.#onEnd.filter((one) => one !== fail);
      };
      const fail = (reason: string): void => {
        done();
        reject(new WabError('MEDIA_UNAVAILABLE', `FreeSWITCH: ${reason}`));
      };
      this.#onEnd.push(fail);
      this.#waiting.push((frame) => {
        done();
        resolve(frame);
      });
    });
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
