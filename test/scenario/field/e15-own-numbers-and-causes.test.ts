// What an administrator meets at the dialplan: the company's own number as caller id, and refusals that all look alike.
import t from 'tap';
import { number, plainListener } from '../../helpers/service.js';
import { openStage } from '../harness.js';

const user = '+447700900101';
const second = '+447700900002';
const company = '+442079460000';
const stage = await openStage({
  peers: { pbx: { media: 'none', config: { mayCall: [second, number], callerIds: [company], country: 'GB' } } },
  overlay: { meta: { mediaTimeout: 0 }, numbers: { [second]: { password: 'n0t-a-secret', newCallsPerDay: 11 } } },
});
t.teardown(() => stage.close());
const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noPermission', numbers: [number, second].map((one) => ({ number: one, password: 'n0t-a-secret', hostname: 'sbc.example.net' })) });

/** Gives the status and the phrase, and as whom Meta was called; null: it was not. */
async function dial(from: string, headers: Record<string, string> = {}): Promise<{ said: string; as: string | null }> {
  const before = meta.reports.length;
  const at = plainListener(stage.running, 'udp');
  const call = await stage.peers.pbx!.call(`sip:${user}@${at}`, { via: `udp:${at}`, from, headers });
  const status = await call.final;
  return { said: `${status} ${call.report().reason}`, as: /^From: <sip:([^@]+)@/im.exec(meta.reports.slice(before)[0]?.invite ?? '')?.[1] ?? null };
}

t.test("E15: the company's own number as caller id means the peer's default number; another one is refused, and so is a call that it was diverted from", async (t) => {
  for (const [what, from, headers, as] of [
    ['in From', `<sip:${company}@pbx>`, {}, second],
    ['in From, as it is dialled at home', '<sip:02079460000@pbx>', {}, second],
    ['in P-Asserted-Identity, as Asterisk adds it (send_pai)', `<sip:${number}@pbx>`, { 'P-Asserted-Identity': `"Office" <sip:${company}@pbx>` }, number],
    ['in Remote-Party-ID', '<sip:6001@pbx>', { 'Remote-Party-ID': `<sip:${company}@pbx>;party=calling` }, second],
    ['an extension', '<sip:6001@pbx>', {}, second],
  ] as const) t.same(await dial(from, headers), { said: '403 meta noPermission', as }, what);
  for (const [what, from, headers, said] of [
    ['a number of somebody else', '<sip:+442079460001@pbx>', {}, '403 policy caller.number'],
    ['the same behind it', `<sip:${company}@pbx>`, { 'P-Asserted-Identity': '<sip:+442079460001@pbx>' }, '403 policy caller.number'],
    ['diverted by it: the call came from the telephone network', `<sip:${number}@pbx>`, { Diversion: `<sip:${company}@pbx>;reason=unconditional` }, '403 policy origin.diversion'],
    ['as a tel: URI', `<sip:${number}@pbx>`, { 'P-Asserted-Identity': `<tel:${company}>` }, '403 policy origin.identity'],
  ] as const) t.same(await dial(from, headers), { said, as: null }, what);
});

t.test('E15: the phrase of a refusal names its cause: one status has many, and a dialplan reads no header of a refusal', async (t) => {
  for (const [behaviour, said] of [
    ['noPermission', '403 meta noPermission'], ['dayLimit', '403 meta dailyLimit'], ['badDigest', '403 meta badCredentials'], ['payment', '403 meta payment'],
    ['declined', '486 meta declined'], ['notFound', '404 meta notFound'], ['error', '503 meta unavailable'],
  ] as const) {
    meta.behaviour = behaviour;
    t.equal((await dial('<sip:6001@pbx>')).said, said);
  }
  t.equal((await dial('<sip:6001@pbx>')).said, '403 policy limit.numberDaily', 'of ours too');
});
