import { inflateRawSync } from 'node:zlib';
import type { Cells, RecordsDatabase } from './database.js';
import { DamagedIndex, type RecordsIndex } from './indexer.js';
import { hourMs, whichever } from './tally.js';
import { QueryError, type RecordPage, type RecordQuery } from './types.js';
import { userName, type UserKey } from './userKey.js';

/** Records of one page at most. */
const mostRecords = 200;
/** Hours with records that fit, looked up at a time. */
const hoursAtOnce = 100;
/** Beyond any time of a record. */
const ever = 8.64e15;

interface Cursor { readonly time: number; readonly uuid: Uint8Array }
interface Span { readonly from: number; readonly to: number; readonly cursor: Cursor | null }

/**
 * The records that fit, the latest first. `userKey`: how a user is found in records that hide the number; null: those are not found by it.
 * @throws QueryError cursor.invalid; SQLite3Error, DamagedIndex
 */
export function search(index: RecordsIndex, query: RecordQuery, userKey: UserKey | null): RecordPage {
  const limit = Math.max(1, Math.min(mostRecords, Math.floor(query.limit)));
  const cursor = query.cursor === null ? null : readCursor(query.cursor);
  const span: Span = { from: query.from ?? 0, to: Math.min(query.to ?? ever, cursor === null ? ever : cursor.time + 1), cursor };
  const conditions = conditionsOf(index, query);
  if (conditions === null || span.from >= span.to) return { records: [], next: null };
  const { database } = index;
  const found = query.user !== null ? ofUser(database, namesOf(query.user, userKey), { span, conditions, most: limit + 1 })
    : Object.values(conditions).every((one) => one === null) ? ofTime(database, { span, conditions, most: limit + 1 }) : ofHours(database, { span, conditions, most: limit + 1 });
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  return { records: textsOf(database, rows), next: found.length > limit && last !== undefined ? cursorOf(last) : null };
}

/** Numbers, peers and reasons that are looked for; null: whichever. */
interface Conditions { readonly number: number | null; readonly peer: number | null; readonly reasons: readonly number[] | null }

/** Null: nothing fits. */
function conditionsOf(index: RecordsIndex, { number, peer, reason }: RecordQuery): Conditions | null {
  const [numberId, peerId] = [number, peer].map((name) => (name === null ? null : index.idOf(name) ?? undefined));
  const reasons = reason === null ? null : index.names((name) => name === reason || name.endsWith(` ${reason}`)).slice(0, 100);
  return numberId === undefined || peerId === undefined || reasons?.length === 0 ? null : { number: numberId, peer: peerId, reasons };
}

/** ` AND …` and its values. */
function clauseOf({ number, peer, reasons }: Conditions): { readonly sql: string; readonly values: number[] } {
  return {
    sql: `${number === null ? '' : ' AND number = ?'}${peer === null ? '' : ' AND peer = ?'}${reasons === null ? '' : ` AND reason IN (${reasons.map(() => '?').join()})`}`,
    values: [number, peer, ...reasons ?? []].filter((value) => value !== null),
  };
}

const columns = 'SELECT time, uuid, block, at, length FROM calls';
const order = 'ORDER BY time DESC, uuid DESC LIMIT ?';

function spanOf({ from, to, cursor }: Span): { readonly sql: string; readonly values: (number | Uint8Array)[] } {
  if (cursor === null) return { sql: 'time >= ? AND time < ?', values: [from, to] };
  return { sql: 'time >= ? AND time < ? AND (time < ? OR uuid < ?)', values: [from, to, cursor.time, cursor.uuid] };
}

interface Wanted { readonly span: Span; readonly conditions: Conditions; readonly most: number }

function ofTime(database: RecordsDatabase, { span, conditions, most }: Wanted): Cells[] {
  const [times, clause] = [spanOf(span), clauseOf(conditions)];
  return database.all(`${columns} WHERE ${times.sql}${clause.sql} ${order}`, [...times.values, ...clause.values, most]);
}

/** It is known which hours have any: only those are looked through, however rare they are. */
function ofHours(database: RecordsDatabase, { span, conditions, most }: Wanted): Cells[] {
  const { number, peer, reasons } = conditions;
  const rows: Cells[] = [];
  let to = span.to;
  for (;;) {
    const hours = database.all(
      `SELECT DISTINCT hour FROM hours WHERE number = ? AND peer = ? AND reason IN (${(reasons ?? [0]).map(() => '?').join()}) AND hour > ? AND hour < ? ORDER BY hour DESC LIMIT ?`,
      [number ?? whichever, peer ?? whichever, ...reasons ?? [whichever], span.from - hourMs, to, hoursAtOnce],
    );
    for (const { hour } of hours) {
      const begin = Number(hour);
      rows.push(...ofTime(database, { span: { from: Math.max(span.from, begin), to: Math.min(span.to, begin + hourMs), cursor: span.cursor }, conditions, most: most - rows.length }));
      if (rows.length >= most) return rows;
      to = begin;
    }
    if (hours.length < hoursAtOnce) return rows;
  }
}

/** Each name that the user may stand under by itself: so the order of the index is the order that is wanted. */
function ofUser(database: RecordsDatabase, names: readonly string[], { span, conditions, most }: Wanted): Cells[] {
  const [times, clause] = [spanOf(span), clauseOf(conditions)];
  const rows = names.flatMap((name) => database.all(`${columns} WHERE who = ? AND ${times.sql}${clause.sql} ${order}`, [name, ...times.values, ...clause.values, most]));
  return rows.sort((a, b) => Number(b['time']) - Number(a['time']) || Buffer.compare(bytes(b['uuid']), bytes(a['uuid']))).slice(0, most);
}

/** In full, by hash, and, where a mask was asked for, by the mask. */
function namesOf(user: string, userKey: UserKey | null): readonly string[] {
  const name = userName(user);
  return [...new Set([name, user, ...(userKey === null || name.includes('*') ? [] : [userKey(name)])])];
}

function textsOf(database: RecordsDatabase, rows: readonly Cells[]): string[] {
  const blocks = new Map<number, Buffer>();
  return rows.map(({ block, at, length }) => {
    const id = Number(block);
    const body = blocks.get(id) ?? unpacked(database, id);
    blocks.set(id, body);
    const text = body.subarray(Number(at), Number(at) + Number(length)).toString('utf8');
    if (!text.startsWith('{') || !text.trimEnd().endsWith('}')) throw new DamagedIndex(`block ${id} is not what was written`);
    return text;
  });
}

function unpacked(database: RecordsDatabase, id: number): Buffer {
  const body = database.get('SELECT body FROM blocks WHERE id = ?', [id])?.['body'];
  try {
    return inflateRawSync(bytes(body));
  } catch (error) {
    throw new DamagedIndex(`block ${id} cannot be read: ${(error as Error).message}`);
  }
}

function bytes(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array();
}

function cursorOf({ time, uuid }: Cells): string {
  return Buffer.from(`${Number(time)}.${Buffer.from(bytes(uuid)).toString('hex')}`).toString('base64url');
}

/** A cursor says where a page ended and nothing else: one that somebody has made up begins there, and shows no more than any other question. */
function readCursor(text: string): Cursor {
  const [, time, uuid] = /^([0-9]{13})\.([0-9a-f]{32})$/.exec(/^[A-Za-z0-9_-]{62}$/.test(text) ? Buffer.from(text, 'base64url').toString('latin1') : '') ?? [];
  if (time === undefined || uuid === undefined) throw new QueryError('cursor.invalid', 'this cursor is none of ours: take `next` of the page before as it is');
  return { time: Number(time), uuid: Buffer.from(uuid, 'hex') };
}
