import t, { type Test } from 'tap';
import { engines } from '../helpers/engines.js';
import { number } from '../helpers/service.js';
import { openStage, pause, type Stage } from './harness.js';

const user = '+447700900101';
type Invites = NonNullable<Stage['meta']['invites']>;
type Transaction = Parameters<Invites>[0];
type Flow = Transaction['flow'];

async function quiet(t: Test): Promise<Stage> {
  const stage = await openStage({ peers: { pbx: { media: 'none', config: { mayCall: [number] } } }, overlay: { meta: { mediaTimeout: 0 } } });
  t.teardown(() => stage.close());
  return stage;
}

function dial(stage: Stage): ReturnType<Stage['peers'][string]['call']> {
  return stage.peers.pbx!.call(`sip:${user}@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>` });
}

/** Lets the test see Meta's INVITEs, and hold them back, before the stand-in takes them. */
function tap(stage: Stage, see: (transaction: Transaction, take: () => void) => void): void {
  const take = stage.meta.invites!;
  stage.meta.invites = (transaction) => see(transaction, () => take(transaction));
}

t.test("in the dialog: Meta's Contact whole, its Routes reversed, on the connection of the INVITE", async (t) => {
  const stage = await quiet(t);
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
  const flows: Flow[] = [];
  const seen: string[] = [];
  tap(stage, (transaction, take) => {
    flows.push(transaction.flow);
    take();
  });
  meta.on('call', (call) => {
    const { request, ack } = call;
    call.request = (transaction) => {
      flows.push(transaction.flow);
      seen.push(transaction.request.toString());
      request.call(call, transaction);
    };
    call.ack = (message) => {
      seen.push(message.toString());
      ack.call(call, message);
    };
  });
  const call = await dial(stage);
  t.equal(await call.final, 200);
  await call.bye();
  await stage.running.records(1);
  while (seen.length < 2) await pause(10);
  const target = `sip:${user}@wa.meta.vc;transport=tls;ob;X-FB-Sip-Smc-Tier=collaboration.sip_gateway.sip.prod`;
  for (const [i, method] of ['ACK', 'BYE'].entries()) {
    t.ok(seen[i]!.startsWith(`${method} ${target} SIP/2.0\r\n`), method);
    t.same(seen[i]!.match(/^Route: .*$/gim), ['Route: <sip:wa.meta.vc;transport=tls;lr>', 'Route: <sip:onevc-sip-proxy.fbinfra.net:8191;transport=tls;lr>']);
    // drachtio-server writes what its own configuration names.
    if (engines.sip === 'embedded') t.match(seen[i], /\r\nVia: SIP\/2\.0\/TLS sbc\.example\.net/i);
  }
  t.match(seen[1], /\r\nReason: Q\.850;cause=16;text="NORMAL_CLEARING"\r\n/i);
  t.equal(new Set(flows).size, 1, 'INVITE, INVITE with credentials and BYE on one connection');
  t.same(meta.reports[0]!.violations, []);
});

t.test('Meta closes the connection during the call: our BYE finds a fresh one', async (t) => {
  const stage = await quiet(t);
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noring' });
  let flow: Flow | undefined;
  tap(stage, (transaction, take) => {
    flow = transaction.flow;
    take();
  });
  const call = await dial(stage);
  t.equal(await call.final, 200);
  while (!meta.liveCalls[0]!.report().acknowledged) await pause(5);
  flow!.close();
  await pause(50);
  await call.bye();
  await stage.running.records(1);
  while (meta.reports.length < 1) await pause(10);
  t.match(meta.reports[0], { endedBy: 'business', violations: { length: 0 } });
  while (stage.running.service.table.onPair(number, user) > 0) await pause(10);
});

t.test('CANCEL while the 407 is in flight: no second INVITE', async (t) => {
  const stage = await quiet(t);
  const meta = await stage.answerAsMeta({ media: 'none' });
  let invites = 0;
  tap(stage, (_transaction, take) => {
    invites += 1;
    setTimeout(take, 300);
  });
  const call = await dial(stage);
  while (invites === 0) await pause(5);
  call.cancel();
  t.equal(await call.final, 487);
  const [cdr] = await stage.running.records(1);
  t.match(cdr!.termination, { by: 'peer', reason: 'cancelled', status: 487 });
  await pause(500);
  t.equal(invites, 1);
  t.same([meta.liveCalls.length, meta.reports.length, meta.attempts.length], [0, 0, 0]);
  t.equal(stage.running.service.table.onPair(number, user), 0);
});

t.test('CANCEL before the 100 of the INVITE with credentials goes out when Meta has said something', async (t) => {
  const stage = await quiet(t);
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'slow=0.4,ring=30' });
  const coming = meta.nextCall();
  const call = await dial(stage);
  await coming;
  call.cancel();
  t.equal(await call.final, 487, 'the PBX is answered at once');
  while (meta.reports.length < 1) await pause(10);
  t.match(meta.reports[0], { status: 487, endedBy: 'business', violations: { length: 0 } });
  t.ok(meta.reports[0]!.messages.includes('< CANCEL'));
  await stage.running.records(1);
});

t.test('CANCEL while it rings', async (t) => {
  const stage = await quiet(t);
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'ring' });
  const call = await dial(stage);
  await new Promise((resolve) => call.once('ringing', resolve));
  call.cancel();
  t.equal(await call.final, 487);
  while (meta.reports.length < 1) await pause(10);
  t.match(meta.reports[0], { status: 487, endedBy: 'business', violations: { length: 0 } });
  await stage.running.records(1);
});

t.test("a 200 of Meta's that crosses our CANCEL is acknowledged and ended with BYE, and counts as connected", async (t) => {
  const stage = await openStage({
    peers: { pbx: { media: 'none', config: { mayCall: [number] } } }, overlay: { meta: { mediaTimeout: 0 }, numbers: { [number]: { pairLimit: 'launch' } } },
  });
  t.teardown(() => stage.close());
  const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'ring=0.4' });
  let last: Transaction | undefined;
  tap(stage, (transaction, take) => {
    last = transaction;
    take();
  });
  // The 200 is on its way when the CANCEL comes: it changes nothing any more (RFC 3261 §9.2).
  meta.on('call', () => { last!.cancelled = () => undefined; });
  for (let round = 1; round <= 5; round++) {
    const call = await dial(stage);
    await new Promise((resolve) => call.once('ringing', resolve));
    call.cancel();
    t.equal(await call.final, 487);
    while (meta.reports.length < round) await pause(10);
    t.match(meta.reports[round - 1], { status: 200, endedBy: 'business', acknowledged: true, violations: { length: 0 } });
    const records = await stage.running.records(round);
    t.match(records[round - 1]!.termination, { by: 'peer', reason: 'cancelled' });
    while (stage.running.service.table.onPair(number, user) > 0) await pause(10);
  }
  t.equal(await (await dial(stage)).final, 403, 'five connected calls');
});
