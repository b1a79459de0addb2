import { endianness } from 'node:os';
import type { AgentWord } from './types.js';

/** The longest name of a mark that is kept, in characters. */
const LONGEST_NAME = 1024;

export const nothing: AgentWord = { kind: 'nothing' };

export function fault(why: string): AgentWord {
  return { kind: 'fault', why };
}

/** A mapping of JSON whose own keys alone are read; null: it is none. */
export type Fields = ReadonlyMap<string, unknown>;

export function fieldsOf(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? new Map(Object.entries(value)) : null;
}

/** The fields of a text frame; null: it is not a mapping in JSON. */
export function parse(data: Buffer): Fields | null {
  try {
    return fieldsOf(JSON.parse(data.toString('utf8')));
  } catch {
    return null;
  }
}

export function textIn(fields: Fields | null, key: string): string | null {
  const value = fields?.get(key);
  return typeof value === 'string' ? value : null;
}

export function mark(name: string | null): AgentWord {
  return name === null || name.length > LONGEST_NAME ? fault(`a mark without a name of at most ${LONGEST_NAME} characters`) : { kind: 'mark', name };
}

export function digit(text: string | null): AgentWord {
  return text !== null && /^[0-9*#A-D]$/.test(text) ? { kind: 'digit', digit: text } : fault('a digit that is none of 0-9, *, # and A-D');
}

/** `user` is judged by policy; it becomes part of a URI, in policy's spelling. */
export function transfer(fields: Fields | null): AgentWord {
  const [peer, user] = [textIn(fields, 'peer'), textIn(fields, 'user')];
  return peer !== null && user !== null && peer.length <= 64 && /^[\x21-\x7e]{1,128}$/.test(user) ? { kind: 'transfer', peer, user } : fault('a transfer without the names of a peer and a user there');
}

/** Octets in base64 (RFC 4648 §4); null: it is not. */
export function base64(text: string | null): Buffer | null {
  return text === null || text.length % 4 === 1 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text) ? null : Buffer.from(text, 'base64');
}

/** 16-bit little-endian samples, in memory of their own; an odd octet at the end is none. */
export function samplesOf(octets: Buffer): Int16Array {
  const copy = Uint8Array.from(octets.subarray(0, octets.length & ~1));
  if (endianness() === 'BE') Buffer.from(copy.buffer).swap16();
  return new Int16Array(copy.buffer);
}

/** Every second sample, from this one on. */
export function everySecond(pcm: Int16Array, from: 0 | 1): Int16Array {
  return pcm.filter((_, i) => i % 2 === from);
}

export function octetsOf(pcm: Int16Array): Buffer {
  const octets = Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength);
  return endianness() === 'BE' ? Buffer.from(octets).swap16() : octets;
}
