import { Type, type Static } from '@sinclair/typebox';
import { RecordsUnavailable } from '../../records/thread.js';
import { groupings, QueryError, type AnalyticsQuery, type RecordQuery } from '../../records/types.js';
import { readIsoTime } from '../../util/isoTime.js';
import { ApiError } from './error.js';
import { JsonText, route, type ApiReply, type ApiRoute } from './route.js';

/** What the API asks of the records. JSON texts; `full`: users' numbers are shown as the files have them. */
export interface RecordsSource {
  /** @throws QueryError, RecordsUnavailable */
  search(query: RecordQuery, full: boolean): Promise<string>;
  /** @throws QueryError, RecordsUnavailable */
  analyse(query: AnalyticsWish): Promise<string>;
}

/** What was asked for; what is null is as it is by default. */
export interface AnalyticsWish { readonly from: number | null; readonly to: number | null; readonly by: AnalyticsQuery['by'] | null }

const dayMs = 86_400_000;

/** By the day, of the 30 days before `to`, which is now. */
export function analyticsDefaults({ from, to, by }: AnalyticsWish, now: number): AnalyticsQuery {
  const end = to ?? now;
  return { from: from ?? end - 30 * dayMs, to: end, by: by ?? 'day' };
}

const strict = { additionalProperties: false };
const orNull = <T extends Parameters<typeof Type.Array>[0]>(schema: T) => Type.Union([schema, Type.Null()]);
const time = (description: string) => Type.Optional(Type.String({
  pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2}))?$', description: `${description}: ISO 8601; a date alone begins at midnight UTC`, examples: ['2026-11-01T00:00:00Z'],
}));

const RecordsQuery = Type.Object({
  from: time('calls that began then or later'),
  to: time('calls that began before'),
  number: Type.Optional(Type.String({ pattern: '^\\+[1-9][0-9]{6,14}$', description: 'business number, E.164 with + (%2B in a query)', examples: ['%2B447700900001'] })),
  user: Type.Optional(Type.String({ pattern: '^[+A-Za-z0-9.* ()-]{1,160}$', description: 'WhatsApp user in full, as +447700900101 (its + is %2B in a query) or a BSUID: found in masked records too, by a keyed hash; or a mask as the records have it' })),
  peer: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$' })),
  reason: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_.-]{1,64}( [A-Za-z0-9_.-]{1,64})?$', description: 'why the call ended, as busy; or by whom and why, as "peer busy"' })),
  limit: Type.Optional(Type.String({ pattern: '^([1-9][0-9]?|1[0-9]{2}|200)$', default: '50', description: 'records at most: a whole number from 1 to 200' })),
  cursor: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_-]{1,100}$', description: '`next` of the page before' })),
}, strict);

const AnalyticsQueryForm = Type.Object({
  from: time('calls that began then or later; default: 30 days before `to`'),
  to: time('calls that began before; default: now'),
  by: Type.Optional(Type.Union(groupings.map((by) => Type.Literal(by)), { default: 'day', description: 'what the groups go by' })),
}, strict);

const rate = orNull(Type.Number({ minimum: 0, maximum: 1 }));
const figures = {
  calls: Type.Integer(), answered: Type.Integer(), answerRate: rate,
  userInitiated: Type.Object({ calls: Type.Integer(), answered: Type.Integer(), pickUpRate: rate }),
  businessInitiated: Type.Object({
    calls: Type.Integer(), answered: Type.Integer(),
    estimatedPrice: orNull(Type.Object({
      amount: Type.Number(), currency: Type.String(), minutes: Type.Number({ description: 'charged by the pulse of six seconds' }), minutesWithoutRate: Type.Number({ description: 'of them, those that the rate card has no rate for' }),
    }, { description: 'an estimate by cdr.rates; null: there is no rate card' })),
  }),
  seconds: Type.Object({ total: Type.Number(), average: orNull(Type.Number()), longest: Type.Number() }, { description: 'from the answer to the end' }),
  setupSeconds: orNull(Type.Number({ description: 'from the INVITE to the answer, on average' })),
};
const upToDate = Type.Boolean({ description: 'every record that was written is in this; false: the index is still being made' });

const RecordList = Type.Object({ records: Type.Array(Type.Object({}, { description: 'a record, as docs/reference/cdr.md has it' })), next: orNull(Type.String({ description: 'cursor of the next page; null: there is none' })), upToDate });
const AnalyticsAnswer = Type.Object({
  from: Type.String(), to: Type.String(), by: Type.String(), total: Type.Object(figures),
  groups: Type.Array(Type.Object({ key: orNull(Type.String({ description: 'beginning of a day or hour (UTC), number, peer, by whom and why, or country; null: the records have none' })), ...figures })),
  leftOut: Type.Integer({ description: 'groups with the fewest calls that are not shown' }), upToDate,
});

/** The requests about what was. `find` gives null where no records are written. */
export function recordRoutes(find: () => RecordsSource | null): ApiRoute[] {
  const source = (): RecordsSource => {
    const records = find();
    if (records === null) throw new ApiError(404, 'records.none', 'cdr.file is null: no records are written');
    return records;
  };
  return [
    route({
      method: 'GET', path: '/v1/records', summary: 'Call records, the latest first.', scope: 'read', query: RecordsQuery,
      answers: { 200: { what: 'A page of records.', schema: RecordList } },
      handle: ({ query, full }) => answered(() => source().search(recordQuery(query), full)),
    }),
    route({
      method: 'GET', path: '/v1/analytics', summary: 'Calls added up: how many, how many were answered, how long they were, what they may have cost.', scope: 'read', query: AnalyticsQueryForm,
      answers: { 200: { what: 'The figures.', schema: AnalyticsAnswer } },
      handle: ({ query: { from, to, by } }) => answered(() => source().analyse({ from: readTime('from', from), to: readTime('to', to), by: by ?? null })),
    }),
  ];
}

function recordQuery({ from, to, number, user, peer, reason, limit, cursor }: Static<typeof RecordsQuery>): RecordQuery {
  return {
    from: readTime('from', from), to: readTime('to', to), number: number ?? null, user: user ?? null, peer: peer ?? null, reason: reason ?? null, limit: Number(limit ?? 50), cursor: cursor ?? null,
  };
}

/** Null: not given. @throws ApiError 400 */
function readTime(name: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const ms = readIsoTime(text);
  if (ms === null) throw new ApiError(400, 'time.invalid', `\`${name}\` is no time: 2026-11-01, or 2026-11-01T10:00:00Z`);
  return ms;
}

async function answered(ask: () => Promise<string>): Promise<ApiReply> {
  try {
    return { status: 200, body: new JsonText(await ask()) };
  } catch (error) {
    if (error instanceof QueryError) throw new ApiError(400, error.code, error.message);
    if (error instanceof RecordsUnavailable) throw new ApiError(503, 'records.unavailable', error.message);
    throw error;
  }
}
