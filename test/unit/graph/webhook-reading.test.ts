import t from 'tap';
import { parseJson, record } from '../../../lib/graph/json.js';
import { Forwarder } from '../../../lib/graph/webhook/forwarder.js';
import { readWebhook, type ToldEvent } from '../../../lib/graph/webhook/reading.js';
import { bsuid, callEvent, permissionReply, user } from '../../scenario/graph/webhookSender.js';
import { fixture } from './fixtures.js';

const read = (body: object | undefined): ToldEvent[] => readWebhook(record(parseJson(JSON.stringify(body))));
const number = { id: '100000000000001', display: '+447700900001' };
const told = { number: user, id: bsuid, parentId: null };

t.test("Meta's samples", async (t) => {
  t.same(read(fixture('webhook-permission-reply').body), [{
    kind: 'reply', number, user: { ...told, parentId: 'GB.ENT.10000000000000000002' },
    reply: { id: 'wamid.SAMPLE2', at: 1_797_000_000_000, accepted: true, permanent: false, until: 1_797_604_800_000, automatic: false, answers: 'wamid.SAMPLE1' },
  }]);
  t.match(read(fixture('webhook-call-created').body), [{ kind: 'call', number, user: told, event: 'call_created', wacid: 'wacid.SAMPLE1', direction: 'business-initiated', connectedAt: null, errors: [] }]
    .map(({ user: { number: at, id }, ...rest }) => ({ ...rest, user: { number: at, id } })));
  t.match(read(fixture('webhook-terminate').body), [{ event: 'terminate', wacid: 'wacid.SAMPLE1', connectedAt: 1_797_000_005_000, duration: 120 }]);
  t.match(read(fixture('webhook-settings-update').body), [{ kind: 'settings', number: { id: '100000000000001' }, calling: { status: 'ENABLED' } }]);
});

t.test('what happened to a permission, row by row', async (t) => {
  const at = '1797000000';
  const rows: [object, object][] = [
    [permissionReply('1', 'accept', {}, at), { accepted: true, permanent: false, until: 1_797_604_800_000, automatic: false }],
    [permissionReply('2', 'accept', { is_permanent: true, expiration_timestamp: undefined }, at), { accepted: true, permanent: true, until: null }],
    [permissionReply('3', 'accept', { is_permanent: 'true' }, at), { permanent: true }],
    [permissionReply('4', 'reject', {}, at), { accepted: false, until: null, automatic: false }],
    [permissionReply('5', 'accept', { response_source: 'automatic', expiration_timestamp: 1_797_604_800 }, at), { accepted: true, until: 1_797_604_800_000, automatic: true }],
    [permissionReply('6', 'reject', { response_source: 'automatic' }, at), { accepted: false, automatic: true, answers: null }],
    [permissionReply('7', 'accept', { is_permanent: undefined, expiration_timestamp: undefined }, at), { permanent: false, until: null }],
  ];
  for (const [body, wanted] of rows) t.match((read(body)[0] as { reply?: object } | undefined)?.reply, wanted, JSON.stringify(wanted));
  t.same(read(permissionReply('8', 'maybe' as never, {}, at)), [], 'a word that is newer than this program');
});

t.test('users without a number, exchanged sides, several of everything, and what nobody knows', async (t) => {
  const value = (more: object): object => ({ entry: [{ changes: [{ field: 'calls', value: { metadata: { display_phone_number: '+44 7700 900001', phone_number_id: 100000000000001 }, ...more } }] }] });
  t.match(read(value({ calls: [{ id: 'wacid.1', event: 'call_created', direction: 'business_initiated', from: '447700900001', to_user_id: bsuid, timestamp: 1797000000 }] })),
    [{ number, user: { number: null, id: bsuid }, direction: 'business-initiated', at: 1_797_000_000_000 }]);
  t.match(read(value({ calls: [{ id: 'wacid.2', event: 'call_created', direction: 'BUSINESS_INITIATED', from: '447700900101', to: '447700900001' }] })), [{ user: { number: user } }], "Meta's own sample");
  t.match(read(value({ calls: [{ id: 'wacid.3', event: 'terminate', direction: 'USER_INITIATED', from: '447700900101', to: '447700900001', status: 'Completed' }], errors: [{ code: '138021', message: 'm', error_data: { details: 'd' } }] })),
    [{ connectedAt: null, errors: [{ code: 138021, message: 'd' }] }]);
  const two = { entry: [callEvent('call_created', 'wacid.4', 'USER_INITIATED'), callEvent('terminate', 'wacid.4', 'USER_INITIATED')].flatMap((one) => (one as { entry: object[] }).entry) };
  t.equal(read(two).length, 2);
  const voicemail = { entry: [{ changes: [{ field: 'messages', value: { messages: [{ id: 'wacid.5', from: '447700900101', type: 'audio', audio: { id: 900000000000004 } }, { id: 'wamid.6', from: '447700900101', type: 'audio', audio: { id: '7' } }] } }] }] };
  t.match(read(voicemail), [{ kind: 'voicemail', wacid: 'wacid.5', mediaId: '900000000000004' }], 'an ordinary audio message is none');
  for (const body of [{}, { entry: 1 }, { entry: [null, {}, { changes: [null, { field: 'calls' }, { field: 'calls', value: { calls: [null, 7, {}] } }, { field: 'messages', value: { messages: [{ type: 'interactive' }] } }, { field: 'standby', value: {} }, { field: 'account_update', value: [] }] }] }]) t.same(read(body), []);
});

t.test('quality: a warning, a list around it, restrictions', async (t) => {
  const body = (value: unknown): object => ({ entry: [{ id: '0', time: 1, changes: [{ field: 'account_update', value }] }] });
  const low = { phone_number: '447700900001', event: 'ACCOUNT_VIOLATION', violation_info: { violation_type: 'USER_INITIATED_CALLS_LOW_PICKUP_RATE', remediation: 'answer' } };
  for (const value of [low, [low]]) t.same(read(body(value)), [{ kind: 'quality', number: { id: null, display: '+447700900001' }, type: 'USER_INITIATED_CALLS_LOW_PICKUP_RATE', remediation: 'answer', until: null, restricts: false }]);
  t.match(read(body({ phone_number: '447700900001', event: 'ACCOUNT_RESTRICTION', restriction_info: [{ restriction_type: 'RESTRICTED_BUSINESS_INITIATED_CALLING', expiration: 1797648057 }, { restriction_type: 'RESTRICTED_USER_INITIATED_CALLING_CALL_BUTTON_HIDDEN', remediation: 'answer' }] })),
    [{ until: 1_797_648_057_000, restricts: true }, { type: 'RESTRICTED_USER_INITIATED_CALLING_CALL_BUTTON_HIDDEN', until: null, remediation: 'answer' }]);
});

t.test('a URL that is dead holds bounded memory: what comes beyond is dropped and counted', async (t) => {
  const outcomes: string[] = [];
  const said: string[] = [];
  const log = { warn: (_: object, text: string) => { said.push(text); }, info: () => undefined };
  const forwarder = new Forwarder('http://127.0.0.1:9/nobody', { log, onOutcome: (outcome) => { outcomes.push(outcome); }, pauses: [20, 20, 20] });
  t.teardown(() => forwarder.close());
  const body = Buffer.alloc(100_000);
  for (let i = 0; i < 3000; i += 1) forwarder.send({ body, contentType: 'application/json', signature: 'sha256=x' });
  t.ok(forwarder.held.bytes <= 16_000_000 && forwarder.held.count <= 2000, JSON.stringify(forwarder.held));
  t.ok(outcomes.filter((one) => one === 'dropped').length >= 3000 - 160);
  for (let i = 0; i < 500 && forwarder.held.count > 0; i += 1) await new Promise((resolve) => setTimeout(resolve, 20));
  t.same(forwarder.held, { bytes: 0, count: 0 }, 'each is given up after four attempts');
  t.ok(said.length < 10, 'told once for each kind of trouble');
});
