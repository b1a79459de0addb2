// A WebSocket as a stream of SIP messages (RFC 6455 §5, RFC 7118 §5): its opening, one message in each of its own, its pings.
import { isUtf8 } from 'node:buffer';
import type { Frame, Framer } from '../framer.js';
import { judgeUpgrade, LONGEST_HEAD } from './upgrade.js';
import type { Origins } from './upgrade.js';

/** RFC 6455 §5.2. */
const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
/** RFC 6455 §7.4.1. */
const CLOSE = { goingAway: 1001, protocol: 1002, notUtf8: 1007, policy: 1008, tooLarge: 1009 } as const;
const LONGEST_CONTROL = 125;
const LONGEST_FRAME_HEAD = 14;

/** Pieces of one message. A browser sends a message whole; one that never ends would cost us something for each piece. */
const MOST_PIECES = 256;

/** RFC 7118 §6 leaves both kinds of keep-alive to us: CRLF CRLF as a message, answered by CRLF (RFC 5626 §4.4.1), and Ping. */
const PONG = writeFrame(OPCODE.text, Buffer.from('\r\n'));

/** A frame that has begun. */
interface Reading { readonly opcode: number; readonly isLast: boolean; readonly mask: Buffer; readonly payload: Buffer; got: number }

/**
 * One framer for each connection, on the server's side. Its memory is bounded by `maxBytes` and MOST_PIECES, and each byte is looked at once, however
 * finely the stream is cut.
 */
export class WebSocketFramer implements Framer {
  /** The Origin for which the opening was refused. */
  foreign: string | null = null;
  private state: 'opening' | 'open' | 'broken' = 'opening';
  /** Of the opening, and of a frame's head. */
  private head = Buffer.alloc(0);
  private headLength = 0;
  private reading: Reading | undefined;
  private pieces: Buffer[] = [];
  private bytes = 0;
  /** Of the message whose pieces these are; undefined between messages. */
  private opcode: number | undefined;

  /** `maxBytes` may change between two messages. */
  constructor(public maxBytes: number, private readonly origins: Origins) {}

  get pending(): boolean {
    return this.headLength > 0 || this.reading !== undefined || this.opcode !== undefined;
  }

  get opening(): boolean {
    return this.state === 'opening';
  }

  /** What tells the other side that we go; nothing once it has been told, or before it can be. */
  get farewell(): Buffer | undefined {
    return this.state === 'open' ? writeClose(CLOSE.goingAway) : undefined;
  }

  get ping(): Buffer | undefined {
    return this.state === 'open' ? writeFrame(OPCODE.ping, Buffer.alloc(0)) : undefined;
  }

  /** RFC 7118 §5: either kind of message; browsers give a script text as text. */
  encode(text: string): Buffer {
    const bytes = Buffer.from(text, 'latin1');
    return writeFrame(isUtf8(bytes) ? OPCODE.text : OPCODE.binary, bytes);
  }

  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    let rest = chunk;
    if (this.state === 'opening') rest = this.open(rest, frames);
    while (rest.length > 0 && this.state === 'open') rest = this.reading === undefined ? this.readHead(rest, frames) : this.readPayload(rest, this.reading, frames);
    return frames;
  }

  /** Gives what follows the head of the request. */
  private open(chunk: Buffer, frames: Frame[]): Buffer {
    const room = LONGEST_HEAD - this.headLength;
    if (this.head.length === 0) this.head = Buffer.allocUnsafe(LONGEST_HEAD);
    const from = this.headLength;
    this.headLength += chunk.copy(this.head, from, 0, room);
    const end = this.head.subarray(0, this.headLength).indexOf('\r\n\r\n', Math.max(0, from - 3), 'latin1');
    if (end < 0 && chunk.length < room) return Buffer.alloc(0);
    const { accepted, response, foreign } = judgeUpgrade(end < 0 ? '' : this.head.toString('latin1', 0, end), this.origins);
    this.foreign = foreign;
    this.head = Buffer.allocUnsafe(LONGEST_FRAME_HEAD);
    this.headLength = 0;
    this.state = accepted ? 'open' : 'broken';
    frames.push(accepted ? { kind: 'reply', bytes: Buffer.from(response, 'latin1') } : { kind: 'refused', bytes: Buffer.from(response, 'latin1') });
    return chunk.subarray(end + 4 - from);
  }

  private readHead(chunk: Buffer, frames: Frame[]): Buffer {
    const { head } = this;
    let at = 0;
    for (let wanted = this.wanted(); this.headLength < wanted && at < chunk.length; wanted = this.wanted()) {
      const part = Math.min(wanted - this.headLength, chunk.length - at);
      chunk.copy(head, this.headLength, at, at + part);
      this.headLength += part;
      at += part;
    }
    if (this.headLength < this.wanted()) return chunk.subarray(at);
    const [first = 0, second = 0] = head;
    const opcode = first & 0x0f;
    const isLast = (first & 0x80) !== 0;
    const length = this.announced(second & 0x7f);
    const fault = isShortest(second & 0x7f, length) ? this.objection({ opcode, isLast, reserved: first & 0x70, masked: (second & 0x80) !== 0, length }) : CLOSE.protocol;
    if (fault !== null) {
      this.fail(fault, frames);
      return Buffer.alloc(0);
    }
    const mask = Buffer.from(head.subarray(this.headLength - 4, this.headLength));
    this.headLength = 0;
    this.reading = { opcode, isLast, mask, payload: Buffer.allocUnsafe(length), got: 0 };
    return length === 0 ? this.readPayload(chunk.subarray(at), this.reading, frames) : chunk.subarray(at);
  }

  /** How long the head of this frame is, by what there is of it. */
  private wanted(): number {
    if (this.headLength < 2) return 2;
    const [, second = 0] = this.head;
    const length = second & 0x7f;
    return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + ((second & 0x80) !== 0 ? 4 : 0);
  }

  private announced(short: number): number {
    if (short === 126) return this.head.readUInt16BE(2);
    return short === 127 ? this.head.readUInt32BE(2) * 2 ** 32 + this.head.readUInt32BE(6) : short;
  }

  /** What speaks against a frame, as a reason to close; null: nothing. */
  private objection(frame: { opcode: number; isLast: boolean; reserved: number; masked: boolean; length: number }): number | null {
    // No extension is agreed on, and whatever a client sends is masked (RFC 6455 §5.1, §5.2).
    if (frame.reserved !== 0 || !frame.masked) return CLOSE.protocol;
    if (frame.opcode >= OPCODE.close) return frame.opcode > OPCODE.pong || !frame.isLast || frame.length > LONGEST_CONTROL ? CLOSE.protocol : null;
    if (frame.opcode > OPCODE.binary || (frame.opcode === OPCODE.continuation) !== (this.opcode !== undefined)) return CLOSE.protocol;
    if (this.bytes + frame.length > this.maxBytes) return CLOSE.tooLarge;
    return this.pieces.length >= MOST_PIECES ? CLOSE.policy : null;
  }

  private readPayload(chunk: Buffer, reading: Reading, frames: Frame[]): Buffer {
    const { payload, mask, opcode } = reading;
    const part = chunk.copy(payload, reading.got);
    for (let i = reading.got; i < reading.got + part; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0);
    reading.got += part;
    if (reading.got === payload.length) {
      this.reading = undefined;
      if (opcode >= OPCODE.close) this.control(opcode, payload, frames);
      else this.piece(reading, frames);
    }
    return chunk.subarray(part);
  }

  private control(opcode: number, payload: Buffer, frames: Frame[]): void {
    if (opcode === OPCODE.close) {
      const fault = objectionToClose(payload);
      if (fault !== null) return this.fail(fault, frames);
      // RFC 6455 §5.5.1: answered by the same.
      this.state = 'broken';
      frames.push({ kind: 'end', bytes: writeFrame(OPCODE.close, payload.subarray(0, 2)) });
    } else frames.push({ kind: 'ping', count: 1, pong: opcode === OPCODE.ping ? writeFrame(OPCODE.pong, payload) : null });
  }

  private piece({ opcode, isLast, payload }: Reading, frames: Frame[]): void {
    this.opcode ??= opcode;
    this.pieces.push(payload);
    this.bytes += payload.length;
    if (!isLast) return;
    const bytes = this.pieces.length === 1 ? payload : Buffer.concat(this.pieces, this.bytes);
    const isText = this.opcode === OPCODE.text;
    this.pieces = [];
    this.bytes = 0;
    this.opcode = undefined;
    if (isText && !isUtf8(bytes)) this.fail(CLOSE.notUtf8, frames);
    else if (isBlank(bytes)) frames.push({ kind: 'ping', count: 1, pong: bytes.length >= 4 ? PONG : null });
    else frames.push({ kind: 'message', bytes });
  }

  private fail(code: number, frames: Frame[]): void {
    this.state = 'broken';
    frames.push({ kind: 'fault', reason: code === CLOSE.tooLarge ? 'too large' : 'protocol', head: Buffer.concat(this.pieces, this.bytes), bytes: writeClose(code) });
    this.pieces = [];
    this.reading = undefined;
  }
}

/** RFC 6455 §5.2: a length has the shortest of its three forms, and the longest of them has no highest bit. `short`: its first seven bits. */
function isShortest(short: number, length: number): boolean {
  return short < 126 || (short === 126 ? length > 125 : length > 0xffff && length < 2 ** 63);
}

/** RFC 6455 §7.4: codes that may be sent, those that IANA has added among them; what is behind is text (§5.5.1). Null: nothing speaks against it. */
function objectionToClose(payload: Buffer): number | null {
  if (payload.length === 0) return null;
  const code = payload.length === 1 ? 0 : payload.readUInt16BE(0);
  const isKnown = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
  if (!isKnown) return CLOSE.protocol;
  return isUtf8(payload.subarray(2)) ? null : CLOSE.notUtf8;
}

/** Nothing but line ends. */
function isBlank(bytes: Buffer): boolean {
  return bytes.length <= LONGEST_CONTROL && bytes.every((byte) => byte === 13 || byte === 10);
}

function writeClose(code: number): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return writeFrame(OPCODE.close, payload);
}

/** A frame of a server's: whole, not masked (RFC 6455 §5.1). */
function writeFrame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  if (length < 126) head[1] = length;
  else if (length < 65_536) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 127;
    head.writeUInt32BE(Math.floor(length / 2 ** 32), 2);
    head.writeUInt32BE(length % 2 ** 32, 6);
  }
  return Buffer.concat([head, payload]);
}
