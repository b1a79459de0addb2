import { Type } from '@sinclair/typebox';
import type { CallControl, Ordered } from '../../call/control.js';
import { isTypeFilter } from '../../config/eventTypes.js';
import { ApiError } from './error.js';
import { route, type Answers, type ApiReply, type ApiRoute } from './route.js';
import { drainRoutes } from './drain.js';
import { recordRoutes } from './records.js';
import * as form from './schemas.js';
import type { ApiSources } from './sources.js';
import type { EventStreams } from './stream.js';
import { Idempotency } from './idempotency.js';

const unknownCall = (): never => { throw new ApiError(404, 'call.unknown', 'no such call is up, or was lately'); };
const text = (body: string | null): ApiReply => (body === null ? unknownCall() : { status: 200, body });
const orders: Answers = { 204: { what: 'It is done.', schema: null } };

/** Every request of the API, as docs/reference/api.md lists them. `document` gives /v1/openapi.json. */
export function routesOf(sources: ApiSources, streams: EventStreams, document: () => object): readonly ApiRoute[] {
  return [
    route({
      method: 'GET', path: '/v1/openapi.json', summary: 'This description.', scope: null,
      answers: { 200: { what: 'OpenAPI 3.1.', schema: Type.Object({}) } },
      handle: () => ({ status: 200, body: document() }),
    }),
    placing(sources), ...readingCalls(sources), ...steeringCalls(sources), ...numbers(sources), ...recordRoutes(() => sources.records), ...drainRoutes(() => sources.drainer),
    route({
      method: 'GET', path: '/v1/events', summary: 'What happens, as Server-Sent Events, for as long as the connection lasts.', scope: 'read',
      query: form.EventQuery,
      headers: Type.Object({ 'last-event-id': Type.Optional(Type.String({ description: 'id of the last event that was heard: what came since, and is still kept, comes first' })) }),
      answers: { 200: { what: 'Each event as `id`, `event` (its type) and `data` (JSON as Event).', schema: 'events' } },
      handle: ({ query: { types = '*' } }) => {
        const wrong = types.split(',').find((type) => !isTypeFilter(type));
        if (wrong !== undefined) throw new ApiError(400, 'types.unknown', `there is no type of event ${wrong}`);
        streams.mayBegin();
        return { status: 200 };
      },
      stream: ({ query: { types = '*', call = null }, token, full, header }, response) => streams.begin(response, { token, full, types: types.split(','), call, lastId: header('last-event-id') ?? null }),
    }),
  ];
}

function placing(sources: ApiSources): ApiRoute {
  const known = new Idempotency<{ readonly id: string }>(Date.now);
  return route({
    method: 'POST', path: '/v1/calls', summary: 'Click-to-call: rings one side, then the other, and joins them. Answered before anybody is rung.', scope: 'calls',
    headers: form.OrderHeaders, body: form.OrderBody,
    answers: { 201: { what: 'Policy, limits and permission allow it, and somebody will be rung.', schema: form.OrderPlaced } },
    handle: async ({ body, token, header }) => {
      const { first = 'peer', reference = null, record = null, ...rest } = body;
      const place = async (): Promise<{ readonly id: string }> => {
        const placed = await sources.place({ ...rest, first, reference, record });
        if (placed.refused !== null) throw new ApiError(placed.refused.status, placed.refused.code, placed.refused.text, placed.id);
        return { id: placed.id };
      };
      const key = header('idempotency-key') ?? null;
      const { id } = key === null ? await place() : await known.once(`${token.name} ${key}`, JSON.stringify([rest.number, rest.user, rest.peer, rest.peerUser, first, reference, record]), place);
      return { status: 201, body: { id }, headers: { Location: `/v1/calls/${id}` } };
    },
  });
}

function readingCalls(sources: ApiSources): ApiRoute[] {
  return [
    route({
      method: 'GET', path: '/v1/calls', summary: 'Calls that are up.', scope: 'read',
      answers: { 200: { what: 'The calls.', schema: form.CallList } },
      handle: ({ full }) => ({ status: 200, body: { calls: sources.calls(full) } }),
    }),
    route({
      method: 'GET', path: '/v1/calls/{id}', summary: 'A call that is up, or was lately: its legs, state and media figures.', scope: 'read', params: form.CallPath,
      answers: { 200: { what: 'The call.', schema: form.CallDetail } },
      handle: async ({ params: { id }, full }) => ({ status: 200, body: await sources.call(id, full) ?? unknownCall() }),
    }),
    route({
      method: 'GET', path: '/v1/calls/{id}/ladder', summary: 'Its SIP messages as a drawing.', scope: 'read', params: form.CallPath,
      answers: { 200: { what: 'The ladder.', schema: 'text' } },
      handle: ({ params: { id }, full }) => text(sources.ladder(id, full)),
    }),
    route({
      method: 'GET', path: '/v1/calls/{id}/sip', summary: 'Its SIP messages in full, secrets hidden.', scope: 'read', params: form.CallPath,
      answers: { 200: { what: 'The messages.', schema: 'text' } },
      handle: ({ params: { id }, full }) => text(sources.messages(id, full)),
    }),
    route({
      method: 'GET', path: '/v1/calls/{id}/messages', summary: 'The same one by one.', scope: 'read', params: form.CallPath,
      answers: { 200: { what: 'The messages.', schema: form.MessageList } },
      handle: ({ params: { id }, full }) => ({ status: 200, body: { messages: sources.traced(id, full) ?? unknownCall() } }),
    }),
    route({
      method: 'GET', path: '/v1/calls/{id}/pcap', summary: 'The same as a pcapng file, for Wireshark.', scope: 'read', params: form.CallPath,
      answers: { 200: { what: 'The file.', schema: 'pcapng' } },
      handle: ({ params: { id }, full }) => ({ status: 200, body: sources.capture(id, full) ?? unknownCall(), headers: { 'Content-Disposition': `attachment; filename="${id}.pcapng"` } }),
    }),
    route({
      method: 'GET', path: '/v1/recent', summary: 'Calls that have ended lately, the latest first: how, and what to do about it.', scope: 'read',
      answers: { 200: { what: 'The calls.', schema: form.RecentList } },
      handle: ({ full }) => ({ status: 200, body: { calls: sources.recent(full) } }),
    }),
    route({
      method: 'GET', path: '/v1/calls/{id}/media', summary: 'Media figures so far of a call that is up.', scope: 'read', params: form.CallPath,
      answers: { 200: { what: 'The figures.', schema: form.Media } },
      handle: async ({ params: { id } }) => ({ status: 200, body: await sources.media(id) ?? unknownCall() }),
    }),
  ];
}

function steeringCalls(sources: ApiSources): ApiRoute[] {
  const given = (id: string, give: (control: CallControl) => Ordered): void => {
    const ordered = sources.order(id, give) ?? unknownCall();
    if (!ordered.done) throw new ApiError(ordered.status, ordered.code, ordered.text);
  };
  const simple = (word: 'hold' | 'unhold' | 'stop', summary: string): ApiRoute => route({
    method: 'POST', path: `/v1/calls/{id}/${word}`, summary, scope: 'calls', params: form.CallPath, answers: orders,
    handle: ({ params: { id } }) => {
      given(id, (control) => control[word]());
      return { status: 204 };
    },
  });
  return [
    route({
      method: 'DELETE', path: '/v1/calls/{id}', summary: 'Hangs up.', scope: 'calls', params: form.CallPath, answers: { 204: { what: 'It is over.', schema: null } },
      handle: ({ params: { id } }) => (sources.hangUp(id) ? { status: 204 } : unknownCall()),
    }),
    route({
      method: 'POST', path: '/v1/calls/{id}/transfer', summary: 'Gives the user to somebody else; policy judges first. What becomes of it is told by call.transferred or call.transferFailed.',
      scope: 'calls', params: form.CallPath, body: form.TransferBody, answers: { 202: { what: 'Policy allows it, and the target is called.', schema: null } },
      handle: ({ params: { id }, body: { peer, user } }) => {
        given(id, (control) => control.transfer(peer, user));
        return { status: 202 };
      },
    }),
    simple('hold', 'The user hears music, and the peer nothing.'),
    simple('unhold', 'Both hear each other again.'),
    route({
      method: 'POST', path: '/v1/calls/{id}/play', summary: 'Plays a sound file to the user, in place of whatever else they would hear.', scope: 'calls', params: form.CallPath, body: form.PlayBody, answers: orders,
      handle: async ({ params: { id }, body: { file, loop = false } }) => {
        const found = await sources.sound(file);
        if ('missing' in found) throw new ApiError(404, 'sound.unknown', found.missing);
        given(id, (control) => control.play(found.path, loop));
        return { status: 204 };
      },
    }),
    simple('stop', 'Stops what is played so.'),
    route({
      method: 'POST', path: '/v1/calls/{id}/record', summary: 'Begins the recording, after its announcement; pauses it; lets it go on; ends it. What comes of it is told by call.recorded.',
      scope: 'calls', params: form.CallPath, body: form.RecordBody, answers: orders,
      handle: ({ params: { id }, body: { action } }) => {
        given(id, (control) => control.record(action));
        return { status: 204 };
      },
    }),
    route({
      method: 'POST', path: '/v1/calls/{id}/dtmf', summary: 'Sends digits.', scope: 'calls', params: form.CallPath, body: form.DigitsBody, answers: orders,
      handle: ({ params: { id }, body: { digits, side = 'peer' } }) => {
        given(id, (control) => control.digits(digits, side));
        return { status: 204 };
      },
    }),
  ];
}

function numbers(sources: ApiSources): ApiRoute[] {
  const permission = (method: 'GET' | 'POST', path: string, summary: string): ApiRoute => route({
    method, path, summary, scope: method === 'GET' ? 'read' : 'numbers', params: form.PermissionPath, asksMeta: true,
    answers: { 200: { what: 'The permission.', schema: form.Permission } },
    handle: async ({ params: { number, user }, full }) => {
      const found = await sources.permission(number, user, { full, ask: method === 'POST' });
      if (found === null) throw new ApiError(404, 'number.unknown', 'no such number is in the configuration');
      return { status: 200, body: found };
    },
  });
  return [
    route({
      method: 'GET', path: '/v1/numbers', summary: 'Business numbers: settings, what differs at Meta, limits used.', scope: 'read',
      answers: { 200: { what: 'The numbers.', schema: form.NumberList } },
      handle: () => ({ status: 200, body: { numbers: sources.numbers() } }),
    }),
    route({
      method: 'GET', path: '/v1/aliases', summary: 'Aliases of users without a number, by which peers with bsuid: digits know them.', scope: 'read', query: form.AliasQuery,
      answers: { 200: { what: 'The aliases, in order.', schema: form.AliasList } },
      handle: ({ query: { limit = '100', cursor = '' }, full }) => {
        const aliases = sources.aliases(cursor, Number(limit), full);
        return { status: 200, body: { aliases, next: aliases.length < Number(limit) ? null : aliases.at(-1)?.alias ?? null } };
      },
    }),
    permission('GET', '/v1/numbers/{number}/permissions/{user}', 'Whether the user may be called: what is known, else what Meta says.'),
    permission('POST', '/v1/numbers/{number}/permissions/{user}/request', 'Asks the user for permission, where there is none and they may be asked.'),
  ];
}
