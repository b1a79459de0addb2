// Both sides of Meta on one ledger: what the Graph API's stand-in knows decides what SIP answers, and calls change what it knows.
import t, { type Test } from 'tap';
import { RemoteLedger, simulateUser, startGraph, startMeta, startPeer, type CallLedger, type SimulatedGraph, type SimulatedMeta, type SimulatedPeer } from '../../../lib/simulator/index.js';
import { makeCertificates } from '../../helpers/certificates.js';
import { Command } from '../../helpers/command.js';

const domain = 'sbc.example.net';
const number = '+447700900001';
const user = '+447700900101';
const files = await makeCertificates(t.testdir(), { domain });
const calling = { status: 'ENABLED', sip: { status: 'ENABLED', webhook_delivery: 'ENABLED' }, srtp_key_exchange_protocol: 'SDES', callback_permission_status: 'ENABLED' };
const until = async (what: () => boolean): Promise<void> => { while (!what()) await new Promise((resolve) => { setTimeout(resolve, 20); }); };

interface Stage { readonly graph: SimulatedGraph; readonly meta: SimulatedMeta; readonly business: SimulatedPeer; readonly call: (to?: string) => Promise<number> }

async function stage(t: Test, ledgerOf: (graph: SimulatedGraph) => CallLedger): Promise<Stage> {
  const graph = await startGraph({ tokens: { token: '9' }, numbers: [{ number, id: '1', calling, servers: { 9: { hostname: domain, port: 5061, password: 'made by Meta' } } }] });
  const meta = await startMeta({ listen: '127.0.0.1:0', cert: files.metaCert, key: files.metaKey, numbers: [], behaviour: 'ring=0.05', media: 'none', ledger: ledgerOf(graph) });
  const business = await startPeer({
    listen: 'udp:127.0.0.1:0', srtp: 'sdes', codecs: ['opus'], dtmf: 126, contact: `sip:${number}@${domain}:5061;transport=tls`, answer: 'echo',
    auth: { username: number.slice(1), password: 'made by Meta' }, timers: { t1: 50 }, tls: { ca: files.ca, serverName: 'wa.meta.vc' },
  });
  t.teardown(async () => {
    await business.close();
    await meta.close();
    await graph.close();
  });
  const call = async (to = user): Promise<number> => {
    const placed = await business.call(`sip:${to}@wa.meta.vc;transport=tls`, { from: `<sip:${number}@${domain}>`, via: `tls:127.0.0.1:${meta.port}` });
    const status = await placed.final;
    if (status === 200) await placed.bye();
    return status;
  };
  return { graph, meta, business, call };
}

function events(graph: SimulatedGraph): string[] {
  return graph.world.webhooks.sent.flatMap(({ body }) => (body as { entry: { changes: { value: { calls?: { event: string; status?: string; duration?: number }[] } }[] }[] }).entry)
    .flatMap(({ changes }) => changes).flatMap(({ value }) => value.calls ?? []).map(({ event, status }) => `${event} ${status ?? ''}`.trim());
}

for (const [how, ledgerOf] of [['in one process', (graph: SimulatedGraph) => graph.calls], ['over HTTP', (graph: SimulatedGraph) => new RemoteLedger(graph.url)]] as const) {
  t.test(`no permission is 403 by SIP, a permission lets the call through, and both calls are told of: ${how}`, async (t) => {
    const { graph, meta, call } = await stage(t, ledgerOf);
    t.equal(await call(), 403);
    t.match(meta.attempts[0]?.text, /^No Approved Call Permission Found/);
    t.same(events(graph), [], 'what was not let in is no call');
    graph.answer(number, user, 'accept', true);
    t.equal(await call(), 200);
    await until(() => events(graph).length === 2);
    t.same(events(graph), ['call_created', 'terminate COMPLETED']);
    t.same(meta.reports[0]?.violations, []);
    t.same((graph.world.ledger.show(graph.world.numbers[0]!, graph.pair(number, user).user)['actions'] as { limits: object[] }[])[1]?.limits, [{ time_period: 'PT24H', max_allowed: 100, current_usage: 1 }]);
    graph.world.numbers[0]!.set('sip', { status: 'DISABLED' });
    t.equal(await call(), 400, 'a number without SIP is none');
  });
}

t.test('the fourth call in a row that nobody takes costs the permission', async (t) => {
  const { graph, meta, call } = await stage(t, (graph) => graph.calls);
  graph.answer(number, user, 'permanent', true);
  meta.behaviour = 'unreachable,ring=0';
  for (let i = 0; i < 4; i++) {
    t.equal(await call(), 480);
    await until(() => events(graph).length === 2 * (i + 1));
  }
  t.equal(await call(), 403);
});

t.test('a user who calls, taken or not, may be called back', async (t) => {
  const { graph, business } = await stage(t, (graph) => graph.calls);
  const peer = await startPeer({
    listen: 'tls:127.0.0.1:0', srtp: 'sdes', codecs: ['opus'], dtmf: 126, contact: `sip:${number}@${domain}:5061;transport=tls`, answer: 'status=486', tls: { cert: files.cert, key: files.key },
  });
  t.teardown(() => peer.close());
  const point = peer.points[0]?.local;
  const report = await simulateUser({ to: `127.0.0.1:${point?.port}`, serverName: domain, ca: files.ca, number, password: 'made by Meta', from: user, media: 'none', ledger: graph.calls, seconds: 0.2 });
  t.equal(report.status, 486);
  await until(() => events(graph).length === 2);
  t.same(events(graph), ['call_created', 'terminate COMPLETED']);
  t.ok(graph.world.ledger.isPermitted(graph.world.numbers[0]!, graph.pair(number, user).user));
  t.ok(business.uri);
});

t.test('simulate graph on the command line: says when it is ready and what it is asked, and takes orders', async (t) => {
  const command = new Command('simulate', 'graph', '--listen', '127.0.0.1:0', '--number', number, '--id', '1', '--token', 'secret');
  t.teardown(async () => { command.child.kill(); await command.exit; });
  const { url } = JSON.parse(await command.line(/"ready":true/)) as { url: string };
  command.child.stdin.write(`grant ${user}\nclock 60\nwhat\n`);
  await command.line(/"order":"what","error":"unknown"/);
  const answer = await fetch(`${url}/v25.0/1/call_permissions?user_wa_id=447700900101`, { headers: { authorization: 'Bearer secret' } });
  t.match(await answer.json(), { permission: { status: 'permanent' } });
  t.match(JSON.parse(await command.line(/"request"/)), { request: 'GET /v25.0/1/call_permissions?user_wa_id=447700900101', status: 200 });
  const behaved = await fetch(`${url}/standin/behaviour`, { method: 'POST', body: JSON.stringify({ words: 'token' }) });
  t.equal(behaved.status, 200);
  t.equal((await fetch(`${url}/v25.0/1/settings`, { headers: { authorization: 'Bearer secret' } })).status, 401);
  command.child.kill('SIGTERM');
  t.equal(await command.exit, 0);
});
