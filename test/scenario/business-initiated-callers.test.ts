import t, { type Test } from 'tap';
import type { PeerOptions } from '../../lib/simulator/index.js';
import { engines } from '../helpers/engines.js';
import { number, plainListener, type Overlay } from '../helpers/service.js';
import { openStage, type Stage } from './harness.js';

const user = '+447700900101';
const second = '+447700900002';
const american = '+12025550143';
const secret = 'pbx-secret';

interface Call { from?: string; to?: string; headers?: Record<string, string>; auth?: { username: string; password: string } }

/** A stage for signalling; Meta refuses what reaches it, so that each attempt is over at once. */
async function quiet(t: Test, peer: Overlay = {}, options: PeerOptions = {}, overlay: Overlay = {}): Promise<Stage & { reached: () => string[]; dial: (call?: Call) => Promise<{ status: number; text: string }> }> {
  const stage = await openStage({
    peers: { pbx: { media: 'none', ...options, config: { mayCall: [number, second], country: 'GB', ...peer } } },
    overlay: { meta: { mediaTimeout: 0 }, numbers: { [second]: { password: 'another' } }, ...overlay },
  });
  t.teardown(() => stage.close());
  const hostname = 'sbc.example.net';
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noPermission', numbers: [number, second].map((one) => ({ number: one, password: one === number ? 'n0t-a-secret' : 'another', hostname })) });
  return {
    ...stage,
    reached: () => meta.reports.map(({ invite }) => `${/^From: <sip:([^@]+)@/im.exec(invite)![1]} > ${/^INVITE (\S+)/.exec(invite)![1]}`),
    async dial({ from, to, ...more } = {}) {
      const protocol = String(options.listen ?? '').startsWith('tcp:') ? 'tcp' : 'udp';
      const at = plainListener(stage.running, protocol);
      const call = await stage.peers.pbx!.call(to ?? `sip:${user}@${at}`, { via: `${protocol}:${at}`, from: from ?? `<sip:${number}@pbx.example>`, ...more });
      const status = await call.final;
      return { status, text: /^Reason: .*text="(.*)"\r?$/im.exec(call.report().message)?.[1] ?? '' };
    },
  };
}

const reason = 'No Approved Call Permission Found: the user has not permitted this business to call';

t.test('which business number: P-Asserted-Identity, else From; an extension means the first; a foreign one is refused', async (t) => {
  const stage = await quiet(t);
  const at = 'pbx.example';
  const rows: [Call, string | null][] = [
    [{ from: `<sip:${second}@${at}>` }, second],
    [{ from: `"Front desk" <sip:6001@${at}>` }, number],
    [{ from: `<sip:alice@${at}>` }, number],
    [{ from: `<sip:6001@${at}>`, headers: { 'P-Asserted-Identity': `<sip:${second}@${at}>` } }, second],
    [{ from: `<sip:${number}@${at}>`, headers: { 'P-Asserted-Identity': `"Sales" <sip:${second}@${at}>` } }, second],
    [{ from: `<sip:07700900002@${at}>` }, second],
    [{ from: `<sip:+447700900555@${at}>` }, null],
    [{ from: `<sip:6001@${at}>`, headers: { 'P-Asserted-Identity': '<sip:+447700900555@pbx.example>' } }, null],
  ];
  for (const [call, expected] of rows) {
    const before = stage.reached().length;
    const { status, text } = await stage.dial(call);
    t.equal(status, 403, JSON.stringify(call));
    if (expected === null) t.match(text, /\+4477\*+55, which is in neither mayCall nor callerIds of peer pbx/);
    t.same(stage.reached().slice(before), expected === null ? [] : [`${expected} > sip:${user}@wa.meta.vc;transport=tls`], JSON.stringify(call));
  }
});

t.test('whom: every spelling reaches Meta in its one form; what cannot be called is refused with the reason', async (t) => {
  const stage = await quiet(t);
  const at = `127.0.0.1:${stage.running.udp.port}`;
  const rows: [string, string | null, number, RegExp][] = [
    [`sip:${user}@${at}`, user, 403, /^No Approved/], [`sip:447700900101@${at}`, user, 403, /^No Approved/], [`sip:07700900101@${at}`, user, 403, /^No Approved/],
    [`sip:00447700900101@${at}`, user, 403, /^No Approved/], [`sip:${user}@${at};user=phone`, user, 403, /^No Approved/], ['tel:+44-7700-900-101', user, 403, /^No Approved/],
    [`sip:GB.13491208655302741918@${at}`, 'GB.13491208655302741918', 403, /^No Approved/], [`sip:GB.ENT.11815799212886844830@${at}`, 'GB.ENT.11815799212886844830', 403, /^No Approved/],
    [`sip:+4477009@${at}`, null, 484, /too short/], [`sip:+44770090010112345@${at}`, null, 484, /too long/], [`sip:bob@${at}`, null, 484, /neither a number nor a BSUID/],
    [`sip:${number}@${at}`, null, 403, /no WhatsApp to WhatsApp/], [`sip:${second}@${at}`, null, 403, /no WhatsApp to WhatsApp/],
    ['+5351234567', null, 403, /Cuba/], ['+989121234567', null, 403, /Iran/], ['+8501921234567', null, 403, /North Korea/], ['+963944567890', null, 403, /Syria/],
    ['+79781234567', null, 403, /Crimea/], ['+380623456789', null, 403, /Donetsk/], ['+380642345678', null, 403, /Luhansk/],
  ];
  for (const [to, expected, status, text] of rows) {
    const before = stage.reached().length;
    const told = await stage.dial({ to: to.startsWith('+') ? `sip:${to}@${at}` : to });
    t.equal(told.status, status, to);
    t.match(told.text, text, to);
    t.same(stage.reached().slice(before), expected === null ? [] : [`${number} > sip:${expected}@wa.meta.vc;transport=tls`], to);
  }
  const records = await stage.running.records(rows.length);
  const by = (who: string): number => records.filter(({ termination }) => termination.by === who).length;
  t.notMatch(JSON.stringify(records), /700900[123]\d\d|44770090010112345/, "no user's number is written in full");
  t.same([by('policy'), by('meta')], [rows.filter(([, reached]) => reached === null).length, rows.filter(([, reached]) => reached !== null).length], 'and the CDRs say so');
});

t.test('business numbers of countries where Meta offers no such calls', async (t) => {
  const stage = await quiet(t, { mayCall: [american, number] }, {}, { numbers: { [american]: { password: 'x' } } });
  const { status, text } = await stage.dial({ from: `<sip:${american}@pbx.example>` });
  t.equal(status, 403);
  t.match(text, /no business-initiated calls for business numbers of US/);
  t.equal((await stage.dial()).text, reason, 'another number of the same peer may');
});

t.test('a peer known by digest, from any address: MD5 and SHA-256; a wrong password is refused', async (t) => {
  const stage = await quiet(t, { sources: [], digest: { username: 'pbx', password: secret } }, {}, { sip: { challenge: ['SHA-256', 'MD5'] } });
  t.equal((await stage.dial({ auth: { username: 'pbx', password: secret } })).text, reason);
  const challenged = await stage.peers.pbx!.call(`sip:${user}@127.0.0.1:${stage.running.udp.port}`);
  t.equal(await challenged.final, 401);
  const challenges = challenged.report().message.match(/^WWW-Authenticate: .*$/gim) ?? [];
  t.same(challenges.map((line) => /algorithm=([A-Z0-9-]+)/.exec(line)![1]), ['SHA-256', 'MD5'], 'both are offered, as configured');
  t.equal((await stage.dial({ auth: { username: 'pbx', password: 'wrong' } })).status, 403);
  t.equal(stage.reached().length, 1);
});

t.test('a peer with both must show both', async (t) => {
  const stage = await quiet(t, { digest: { username: 'pbx', password: secret } });
  t.equal((await stage.dial()).status, 401);
  t.equal((await stage.dial({ auth: { username: 'pbx', password: secret } })).text, reason);
  const elsewhere = await quiet(t, { sources: ['127.0.0.9/32'], digest: { username: 'pbx', password: secret } }, { timers: { t1: 20, t2: 40 } });
  t.equal((await elsewhere.dial({ auth: { username: 'pbx', password: secret } })).status, engines.sip === 'embedded' ? 0 : 403, 'not from another address');
});

t.test('a stranger gets silence, and the operator is told whom to let in', { skip: engines.sip === 'embedded' ? false : 'drachtio-server always answers' }, async (t) => {
  for (const listen of ['tcp:127.0.0.1:0', 'udp:127.0.0.1:0']) {
    const stage = await quiet(t, { sources: ['127.0.0.9/32'] }, { listen, timers: { t1: 20, t2: 40 } }, { meta: { mediaTimeout: 0, sources: ['127.0.0.5/32'] } });
    for (let i = 0; i < 3; i++) t.equal((await stage.dial()).status, 0);
    t.equal(stage.reached().length, 0);
    t.equal(stage.running.log.filter((line) => line.includes('it must be in peers.*.sources')).length, 1, 'once');
  }
});
