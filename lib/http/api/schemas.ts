// What the API takes and gives: the one source of its types, of what is checked, and of /v1/openapi.json.
import { Type, type Static, type TSchema } from '@sinclair/typebox';
import { eventTypes } from '../../config/eventTypes.js';

const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const strict = { additionalProperties: false };

const e164 = Type.String({ pattern: '^\\+[1-9][0-9]{6,14}$', description: 'E.164 with +', examples: ['+447700900001'] });
const shownUser = Type.String({ description: 'WhatsApp user: E.164 with +, or a BSUID; the middle is hidden from tokens without the scope users', examples: ['+4477******01'] });
/** A user to call: E.164 with '+', or a BSUID. */
const user = Type.String({ pattern: '^(\\+[1-9][0-9]{6,14}|[A-Z]{2}\\.(ENT\\.)?[A-Za-z0-9]{1,128})$', description: 'WhatsApp user: E.164 with +, or a BSUID', examples: ['+447700900101'] });
const peer = Type.String({ pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$', description: 'name of a peer in the configuration', examples: ['pbx'] });
const peerUser = Type.String({ pattern: "^[A-Za-z0-9\\-_.!~*'()&=+$]{1,128}$", description: 'user at that peer', examples: ['6001'] });
const time = Type.String({ format: 'date-time', description: 'ISO 8601, UTC' });
const callId = Type.String({ pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', description: 'id of a call, as in its record and in every log line', examples: ['4e6a3f1c-0d7e-4f0e-9b38-8c1f6f2a7d10'] });

const callFields = {
  id: callId,
  direction: Type.Union([Type.Literal('user-initiated'), Type.Literal('business-initiated')]),
  state: Type.Union(['arriving', 'routing', 'ringing', 'answered', 'ended'].map((state) => Type.Literal(state as 'arriving' | 'routing' | 'ringing' | 'answered' | 'ended'))),
  number: orNull(e164),
  user: orNull(shownUser),
  wacid: orNull(Type.String({ description: "Meta's id of the call" })),
  reference: orNull(Type.String({ description: 'what whoever ordered the call calls it by' })),
  peer: orNull(Type.String({ description: 'who has the call, or was tried last' })),
  peerUser: orNull(Type.String()),
  held: Type.Boolean({ description: 'put on hold by the API' }),
  recording: Type.Union(['off', 'announcing', 'on', 'paused'].map((state) => Type.Literal(state as 'off' | 'announcing' | 'on' | 'paused')), { description: 'announcing: it begins once that has been heard' }),
  startedAt: time,
  answeredAt: orNull(time),
};

const Call = Type.Object(callFields, { title: 'Call' });

export const CallList = Type.Object({ calls: Type.Array(Call) });

const termination = Type.Object({ by: Type.String(), reason: Type.String(), result: Type.String(), status: Type.Integer(), text: Type.String() }, { description: 'how it ended; null while it is up' });

export const CallDetail = Type.Object({
  ...callFields,
  legs: Type.Array(Type.Object({
    leg: Type.Union([Type.Literal('meta'), Type.Literal('peer')]),
    callId: orNull(Type.String({ description: 'SIP Call-ID' })),
    peer: orNull(Type.String()),
    peerUser: orNull(Type.String()),
    status: orNull(Type.Integer({ description: 'SIP status of a target that the call was offered to and that is not in the call; null while it is' })),
    reason: orNull(Type.String({ description: 'the same in a word, as in a termination' })),
  })),
  termination: orNull(termination),
  setupMs: orNull(Type.Number()),
  durationMs: orNull(Type.Number()),
  transfers: Type.Array(Type.Object({ kind: Type.String(), by: Type.String(), to: orNull(Type.String()), status: Type.Integer() })),
  media: orNull(Type.Object({ meta: Type.Unknown(), peer: Type.Unknown() }, { description: 'figures of both legs, as in the record' })),
}, { title: 'CallDetail' });

/** Calls that have ended lately. */
export const RecentList = Type.Object({
  calls: Type.Array(Type.Object({
    ...callFields, endedAt: time, termination, advice: orNull(Type.String({ description: 'what to do about such an end, for a person; null: nothing' })), setupMs: orNull(Type.Number()), durationMs: orNull(Type.Number()),
  })),
});

export const MessageList = Type.Object({
  messages: Type.Array(Type.Object({
    time,
    direction: Type.Union([Type.Literal('in'), Type.Literal('out')]),
    transport: Type.String(),
    local: Type.String({ description: 'host:port of ours' }),
    remote: Type.String(),
    with: Type.String({ description: 'who is there: Meta, a peer, or its address' }),
    summary: Type.String({ examples: ['INVITE 6001 +sdp', '200 OK (INVITE) +sdp'] }),
    text: Type.String({ description: 'the message in full, secrets hidden' }),
  })),
});

const mediaFigures = Type.Object({ meta: Type.Unknown(), peer: Type.Unknown() }, { description: 'figures of both legs so far, as in the record' });
export const Media = mediaFigures;

export const OrderBody = Type.Object({
  number: e164, user, peer, peerUser,
  first: Type.Optional(Type.Union([Type.Literal('peer'), Type.Literal('user')], { default: 'peer', description: 'who is rung first' })),
  record: Type.Optional(Type.Boolean({ description: 'recorded from the answer on, or not at all; left out: as the calls of the peer are (peers.*.record)' })),
  reference: Type.Optional(Type.String({ pattern: '^[\\x20-\\x7e]{1,128}$', description: 'what you call it by, up to 128 printable characters: in its events and its record', examples: ['ticket-4711'] })),
}, strict);
export const OrderHeaders = Type.Object({ 'idempotency-key': Type.Optional(Type.String({ pattern: '^[\\x21-\\x7e]{1,255}$', description: 'up to 255 printable characters without a space; the same key and body, within 24 hours: the same call' })) });
export const OrderPlaced = Type.Object({ id: callId });

export const TransferBody = Type.Object({ peer, user: peerUser }, strict);
export const PlayBody = Type.Object({
  file: Type.String({ pattern: '^[A-Za-z0-9_-][A-Za-z0-9_. -]{0,127}(/[A-Za-z0-9_-][A-Za-z0-9_. -]{0,127}){0,7}$', description: 'sound file below api.sounds', examples: ['hold/offer.wav'] }),
  loop: Type.Optional(Type.Boolean({ default: false })),
}, strict);
export const DigitsBody = Type.Object({
  digits: Type.String({ pattern: '^[0-9*#A-D]{1,32}$', description: 'up to 32 of 0-9, *, #, A-D', examples: ['12#'] }),
  side: Type.Optional(Type.Union([Type.Literal('peer'), Type.Literal('user')], { default: 'peer', description: 'who hears them' })),
}, strict);

export const RecordBody = Type.Object({
  action: Type.Union(['start', 'pause', 'resume', 'stop'].map((word) => Type.Literal(word as 'start' | 'pause' | 'resume' | 'stop'))),
}, strict);

export const AliasQuery = Type.Object({
  limit: Type.Optional(Type.String({ pattern: '^([1-9][0-9]{0,2}|1000)$', default: '100', description: 'aliases at most: a whole number from 1 to 1000' })),
  cursor: Type.Optional(Type.String({ pattern: '^999[0-9]{11}$', description: '`next` of the page before' })),
}, strict);

export const AliasList = Type.Object({
  aliases: Type.Array(Type.Object({ alias: Type.String({ description: '14 digits that begin with 999', examples: ['99912345678901'] }), user: shownUser }, strict)),
  next: orNull(Type.String({ description: 'cursor of the next page; null: there is none' })),
}, strict);

export const NumberList = Type.Object({
  numbers: Type.Array(Type.Object({
    number: e164,
    environment: Type.String(),
    keying: Type.String(),
    permission: Type.String({ description: 'what is looked at before a business-initiated call: off, check or request' }),
    calls: Type.Object({ now: Type.Integer(), most: Type.Integer() }, { description: 'calls of it that are up, both directions' }),
    newCalls: Type.Object({ used: Type.Integer(), most: Type.Integer() }, { description: 'business-initiated calls in the last 24 hours' }),
    settings: orNull(Type.Object({
      differences: Type.Array(Type.Object({ key: Type.String(), is: Type.String(), wanted: Type.String() })), warnings: Type.Array(Type.String()),
    }, { description: 'what differs at Meta from the configuration, and what Meta warns of; null: not looked at' })),
  })),
});

export const Permission = Type.Object({
  number: e164,
  user: shownUser,
  status: Type.Union(['none', 'temporary', 'permanent', 'unknown'].map((status) => Type.Literal(status as 'none' | 'temporary' | 'permanent' | 'unknown'))),
  from: orNull(Type.Union([Type.Literal('ledger'), Type.Literal('meta')], { description: 'who says so; null: nobody does' })),
  until: orNull(time),
  request: orNull(Type.Union(['sent', 'pending', 'possible', 'impossible'].map((word) => Type.Literal(word as 'sent' | 'pending' | 'possible' | 'impossible')), { description: 'of none: whether the user was, or may be, asked' })),
  fault: orNull(Type.String({ description: 'why Meta could not be asked, or did not take the request' })),
}, { title: 'Permission' });

export const Refusal = Type.Object({ error: Type.Object({ code: Type.String(), message: Type.String(), call: Type.Optional(callId) }) }, { title: 'Error' });

/** One event as it stands in `data:` of a stream, and in the body of a webhook. */
export const Event = Type.Object({
  id: Type.String(),
  seq: Type.Integer({ description: 'counts the events of one process' }),
  time,
  type: Type.Union(eventTypes.map((type) => Type.Literal(type))),
  call: Type.Optional(callId),
  data: Type.Record(Type.String(), Type.Unknown()),
}, { title: 'Event' });

export const CallPath = Type.Object({ id: callId });
export const PermissionPath = Type.Object({ number: e164, user });
export const EventQuery = Type.Object({
  types: Type.Optional(Type.String({ pattern: '^[A-Za-z.*]{1,40}(,[A-Za-z.*]{1,40}){0,31}$', description: "which: '*', 'call.*', or names, with commas between", examples: ['call.*,peer.down'] })),
  call: Type.Optional(callId),
}, strict);

export type CallView = Static<typeof Call>;
export type CallDetailView = Static<typeof CallDetail>;
export type RecentView = Static<typeof RecentList>['calls'][number];
export type MessageView = Static<typeof MessageList>['messages'][number];
export type AliasView = Static<typeof AliasList>['aliases'][number];
export type NumberView = Static<typeof NumberList>['numbers'][number];
export type PermissionView = Static<typeof Permission>;

export const DrainBody = Type.Union([Type.Null(), Type.Object({
  delay: Type.Optional(Type.Integer({ minimum: 0, maximum: 3600, description: 'seconds in which new calls are still taken; left out: limits.drainDelay' })),
  seconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 86_400, description: 'seconds after that in which calls may end by themselves; left out: limits.drain' })),
  exit: Type.Optional(Type.Boolean({ description: 'the process ends once no call is up; left out: it stays' })),
}, strict)]);

export const Drain = Type.Object({
  state: Type.Union((['taking', 'leaving', 'draining', 'drained'] as const).map((state) => Type.Literal(state)), { description: 'taking: calls are taken; leaving: they still are, and should go elsewhere; draining: no new ones; drained: none is up any more' }),
  calls: Type.Integer({ description: 'that are up' }),
  since: orNull(time),
  endsAt: orNull(Type.String({ format: 'date-time', description: 'when the calls that are left are ended' })),
}, { title: 'Drain' });

export type DrainView = Static<typeof Drain>;
