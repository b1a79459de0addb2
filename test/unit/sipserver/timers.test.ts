// When a transaction sends again, and when it gives up: RFC 3261 §17 table 4, on a clock of the test.
import { mock } from 'node:test';
import t from 'tap';
import { responseTo, SipMessage } from '../../../lib/sipserver/parser/index.js';
import { AcceptedInvite, ReliableProvisionals } from '../../../lib/sipserver/dialog/index.js';
import { DEFAULT_TIMERS, newBranch, TransactionLayer } from '../../../lib/sipserver/transaction/index.js';
import type { ServerTransaction } from '../../../lib/sipserver/transaction/index.js';
import { Guard } from '../../../lib/sipserver/transport/index.js';
import type { Flow, Protocol } from '../../../lib/sipserver/transport/index.js';

mock.timers.enable({ apis: ['setTimeout', 'setImmediate', 'Date'] });
t.teardown(() => { mock.timers.reset(); });

/** A flow that notes what is sent on it, and when. */
function flow(protocol: Protocol, log: string[]): Flow {
  const begun = Date.now();
  return {
    id: 1, protocol, local: { address: '192.0.2.1', port: 5060 }, remote: { address: '192.0.2.2', port: 5060 }, accepted: false, verifiedHost: undefined, certified: [],
    closed: false, used: false, source: 'known', traced: false, proved() { /* nothing to keep */ }, addUser() { /* nothing breaks */ }, removeUser() { /* see above */ }, close() { /* stays */ },
    send(text) {
      log.push(`${Date.now() - begun} ${text.slice(0, text.startsWith('SIP/2.0') ? 11 : text.indexOf(' '))}`);
      return true;
    },
  };
}

const guard = new Guard(() => { /* none */ }, (place, error) => { t.fail(`${place}: ${error.message}`); });

function layer(request?: (tx: ServerTransaction) => void): TransactionLayer {
  return new TransactionLayer({
    timers: DEFAULT_TIMERS, guard, maxTransactions: 100, maxHeaders: 100, maxGuests: 10, question: () => true, udp: () => undefined,
    user: { request: (tx) => request?.(tx), ack() { /* not here */ }, stray: () => false, elsewhere: () => false, nameNode: (tag) => tag, welcome: () => true, belongs: () => false, knowsCall: () => false, ready: () => true },
  });
}

function message(method: string): SipMessage {
  const m = SipMessage.request(method, 'sip:b@192.0.2.2');
  return m.add('Via', `SIP/2.0/UDP 192.0.2.1:5060;rport;branch=${newBranch()}`).add('From', '<sip:a@b>;tag=1').add('To', '<sip:b@c>').add('Call-ID', '1')
    .add('CSeq', `1 ${method}`);
}

function pass(ms: number): void {
  for (let i = 0; i < ms; i++) mock.timers.tick(1);
}

const nobody = { response() { /* none comes */ }, transportFailed() { /* nothing breaks */ }, ended() { /* not of interest */ } };

for (const [method, protocol, sent, failed] of [
  ['INVITE', 'udp', [0, 500, 1500, 3500, 7500, 15500, 31500], 32000],
  ['OPTIONS', 'udp', [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500], 32000],
  ['INVITE', 'tcp', [0], 32000],
  ['OPTIONS', 'tls', [0], 32000],
] as const) {
  t.test(`${method} over ${protocol} that nobody answers`, async (t) => {
    const log: string[] = [];
    let at = -1;
    const begun = Date.now();
    layer().send(message(method), flow(protocol, log), { ...nobody, timedOut() { at = Date.now() - begun; } });
    pass(40_000);
    t.same(log, sent.map((ms) => `${ms} ${method}`), 'timer A or E');
    t.equal(at, failed, 'timer B or F');
  });
}

t.test('a provisional response stops an INVITE, and slows another request down to T2', async (t) => {
  for (const [method, sent] of [['INVITE', [0, 500]], ['OPTIONS', [0, 500, 4600, 8600, 12600, 16600, 20600, 24600, 28600]]] as const) {
    const log: string[] = [];
    const transactions = layer();
    const request = message(method);
    const wire = flow('udp', log);
    transactions.send(request, wire, { ...nobody, timedOut() { /* the OPTIONS does */ } });
    pass(600);
    transactions.receive(responseTo(request, 180).toBuffer(), wire);
    pass(40_000);
    t.same(log, sent.map((ms) => `${ms} ${method}`));
    transactions.close();
  }
});

t.test('a refusal of an INVITE is repeated until its ACK, or for 64*T1', async (t) => {
  for (const [protocol, acked, sent] of [
    ['udp', undefined, [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]], ['udp', 1000, [0, 500]], ['tcp', undefined, [0]],
  ] as const) {
    const log: string[] = [];
    let given = 0;
    const begun = Date.now();
    let unacknowledged = -1;
    const invite = message('INVITE');
    const wire = flow(protocol, log);
    const transactions = layer((tx) => {
      tx.user = { cancelled() { given++; }, transportFailed() { given++; }, unacknowledged() { unacknowledged = Date.now() - begun; } };
      tx.respond(responseTo(tx.request, 486, undefined, 'x'));
    });
    transactions.receive(invite.toBuffer(), wire);
    pass(acked ?? 0);
    if (acked !== undefined) {
      const ack = message('ACK').set('Via', invite.get('via') ?? '').set('CSeq', '1 ACK');
      transactions.receive(ack.toBuffer(), wire);
    }
    pass(40_000);
    t.same(log, [...(protocol === 'udp' ? ['0 SIP/2.0 100'] : []), ...sent.map((ms) => `${ms} SIP/2.0 486`)], 'timer G');
    t.equal(unacknowledged, acked === undefined ? 32_000 : -1, 'timer H');
    t.equal(given, 0);
    t.equal(transactions.serverCount, 0);
  }
});

t.test('100 (Trying): by UDP at once, else only where nothing was said within 200 ms', async (t) => {
  for (const [protocol, answered, sent] of [
    ['udp', 199, ['0 SIP/2.0 100', '199 SIP/2.0 180']], ['tls', 199, ['199 SIP/2.0 180']], ['wss', 300, ['200 SIP/2.0 100', '300 SIP/2.0 180']],
  ] as const) {
    const log: string[] = [];
    let tx: ServerTransaction | undefined;
    const transactions = layer((one) => { tx = one; });
    transactions.receive(message('INVITE').toBuffer(), flow(protocol, log));
    pass(answered);
    if (tx !== undefined) tx.respond(responseTo(tx.request, 180, undefined, 'x'));
    pass(1000);
    t.same(log, sent, protocol);
    transactions.close();
  }
});

t.test('a 2xx is repeated at T1, doubling up to T2, on every transport; a reliable 183 without that bound', async (t) => {
  const log: string[] = [];
  let never = 0;
  const transactions = layer((tx) => {
    tx.respond(responseTo(tx.request, 200, undefined, 'x'));
    new AcceptedInvite(1, tx, DEFAULT_TIMERS, guard, () => { never++; });
  });
  transactions.receive(message('INVITE').toBuffer(), flow('tls', log));
  pass(40_000);
  t.same(log, [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500].map((ms) => `${ms} SIP/2.0 200`));
  t.equal(never, 1);

  const reliable: string[] = [];
  const other = layer((tx) => {
    new ReliableProvisionals(tx, DEFAULT_TIMERS, guard, () => { never++; }).send(responseTo(tx.request, 183, undefined, 'x'));
  });
  other.receive(message('INVITE').toBuffer(), flow('udp', reliable));
  pass(40_000);
  t.same(reliable, ['0 SIP/2.0 100', ...[0, 500, 1500, 3500, 7500, 15500, 31500].map((ms) => `${ms} SIP/2.0 183`)]);
  t.equal(never, 2);
  other.close();
});

t.test('a CANCEL that is not honoured ends the INVITE after 64*T1', async (t) => {
  const log: string[] = [];
  const transactions = layer();
  const invite = message('INVITE');
  const wire = flow('tcp', log);
  let at = -1;
  const begun = Date.now();
  const tx = transactions.send(invite, wire, { ...nobody, timedOut() { at = Date.now() - begun; } });
  t.ok(tx.cancelWith([]));
  t.same(log, ['0 INVITE'], 'not before a provisional response');
  pass(100);
  transactions.receive(responseTo(invite, 180, undefined, 'x').toBuffer(), wire);
  t.same(log, ['0 INVITE', '100 CANCEL']);
  pass(40_000);
  t.equal(at, 32_100);
  t.equal(tx.cancelWith([]), undefined);
});
