// Two transaction layers joined by a network that loses messages: each transaction ends once, with an answer or in time.
import { mock } from 'node:test';
import t from 'tap';
import { responseTo, SipMessage } from '../../../lib/sipserver/parser/index.js';
import { DEFAULT_TIMERS, newBranch, TransactionLayer } from '../../../lib/sipserver/transaction/index.js';
import type { ClientTransactionUser, ServerTransaction, TransactionUser } from '../../../lib/sipserver/transaction/index.js';
import { AcceptedInvite } from '../../../lib/sipserver/dialog/index.js';
import { Guard } from '../../../lib/sipserver/transport/index.js';
import type { Flow, FlowUser } from '../../../lib/sipserver/transport/index.js';

/** The timers of the RFC: the clock of this test is its own. */
const TIMERS = DEFAULT_TIMERS;
const LIFETIME = 64 * TIMERS.T1;

/** Transactions in each round, begun within this many ms. LOSSY_TRANSACTIONS=10000 for the long run. */
const COUNT = Number(process.env['LOSSY_TRANSACTIONS'] ?? 1000);
const SPREAD = 10_000;

mock.timers.enable({ apis: ['setTimeout', 'setImmediate', 'Date'] });
t.teardown(() => { mock.timers.reset(); });

/** Lets so many ms go by, one at a time, so that every timer sees its own moment. */
function pass(ms: number): void {
  for (let i = 0; i < ms; i++) mock.timers.tick(1);
}

/** A generator of pseudo-random numbers that gives the same ones for the same seed. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
}

const guard = new Guard(() => { /* told below */ }, (place, error) => { t.fail(`${place}: ${error.message}`); });

class LossyFlow implements Flow {
  readonly protocol = 'udp' as const;
  readonly accepted = true;
  readonly verifiedHost = undefined;
  readonly certified = [];
  readonly closed = false;
  readonly used = false;
  readonly source = 'known';
  traced = false;
  sent = 0;
  to: ((bytes: Buffer) => void) | undefined;
  constructor(readonly id: number, readonly local: { address: string; port: number }, readonly remote: { address: string; port: number },
    private readonly loss: number, private readonly random: () => number) {}

  proved(): void { /* nothing to keep */ }

  send(text: string): boolean {
    this.sent++;
    if (this.random() >= this.loss) setTimeout(() => { this.to?.(Buffer.from(text, 'latin1')); }, 1 + 2 * this.random());
    return true;
  }

  addUser(_user: FlowUser): void { /* nothing breaks here but by loss */ }
  removeUser(_user: FlowUser): void { /* see above */ }
  close(): void { /* stays open */ }
}

interface Outcome { answers: number[]; timeouts: number; ended: number; at: number }

function run(loss: number, count: number, method: 'INVITE' | 'OPTIONS', status: number, seed: number) {
  const random = seeded(seed);
  const a = { address: '192.0.2.1', port: 5060 };
  const b = { address: '192.0.2.2', port: 5060 };
  const there = new LossyFlow(1, a, b, loss, random);
  const back = new LossyFlow(2, b, a, loss, random);
  const acceptedInvites = new Map<string, AcceptedInvite>();
  const handled = new Map<string, number>();
  let unacknowledged = 0;
  const server: TransactionUser = {
    request(tx: ServerTransaction) {
      const id = tx.request.get('call-id') ?? '';
      handled.set(id, (handled.get(id) ?? 0) + 1);
      tx.user = { cancelled() { /* none is */ }, transportFailed() { /* cannot */ }, unacknowledged() { unacknowledged++; } };
      tx.respond(responseTo(tx.request, status, undefined, 'tag'));
      if (method === 'INVITE' && status < 300) acceptedInvites.set(id, new AcceptedInvite(1, tx, TIMERS, guard, () => { unacknowledged++; }));
    },
    ack(ack) { acceptedInvites.get(ack.get('call-id') ?? '')?.stop(); },
    stray: () => false, elsewhere: () => false, nameNode: (tag) => tag,
    welcome: () => true,
    belongs: () => false,
    knowsCall: () => false,
    ready: () => true,
  };
  const options = { timers: TIMERS, guard, maxTransactions: 1e6, maxHeaders: 100, maxGuests: 10, question: () => true, udp: () => undefined };
  const uas = new TransactionLayer({ ...options, user: server });
  const uac = new TransactionLayer({ ...options, user: { ...server, request() { /* a client only */ } } });
  there.to = (bytes) => { uas.receive(bytes, back); };
  back.to = (bytes) => { uac.receive(bytes, there); };
  const outcomes: Outcome[] = [];
  for (let i = 0; i < count; i++) {
    const m = SipMessage.request(method, 'sip:b@192.0.2.2');
    m.add('Via', `SIP/2.0/UDP 192.0.2.1:5060;rport;branch=${newBranch()}`).add('Max-Forwards', '70').add('From', '<sip:a@192.0.2.1>;tag=1')
      .add('To', '<sip:b@192.0.2.2>').add('Call-ID', `${i}`).add('CSeq', `1 ${method}`).add('Contact', '<sip:a@192.0.2.1>');
    const outcome: Outcome = { answers: [], timeouts: 0, ended: 0, at: 0 };
    outcomes.push(outcome);
    let started = 0;
    const user: ClientTransactionUser = {
      response(_tx, response) {
        if (response.status < 200) return;
        if (response.status < 300 && method === 'INVITE') {
          const ack = SipMessage.request('ACK', 'sip:b@192.0.2.2');
          ack.add('Via', `SIP/2.0/UDP 192.0.2.1:5060;branch=${newBranch()}`);
          for (const name of ['From', 'To', 'Call-ID']) ack.add(name, response.get(name) ?? '');
          there.send(ack.add('CSeq', '1 ACK').toString());
        }
        outcome.answers.push(response.status);
      },
      timedOut() { outcome.timeouts++; outcome.at = Date.now() - started; },
      transportFailed() { t.fail('nothing breaks here'); },
      ended() { outcome.ended++; },
    };
    setTimeout(() => {
      started = Date.now();
      uac.send(m, there, user);
    }, Math.floor((i / count) * SPREAD));
  }
  // The client side lasts 64*T1 and as long again in a final state; the server's begins with the last request it gets.
  pass(SPREAD + 4 * LIFETIME);
  const left = uas.serverCount + uac.clientCount;
  uas.close();
  uac.close();
  for (const invite of acceptedInvites.values()) invite.stop();
  return { outcomes, handled, unacknowledged, left, sent: there.sent + back.sent };
}

for (const [method, status] of [['OPTIONS', 200], ['INVITE', 486], ['INVITE', 200]] as const) {
  for (const [loss, mayFail] of [[0, 0], [0.05, 0], [0.3, 0.02]] as const) {
    t.test(`${method} answered ${status} with ${100 * loss} % loss`, async (t) => {
      const count = COUNT;
      const { outcomes, handled, left, unacknowledged, sent } = run(loss, count, method, status, 42);
      t.ok(outcomes.every((o) => o.ended === 1), 'each ends once');
      t.ok(outcomes.every((o) => (o.answers.length > 0) !== (o.timeouts > 0)), 'each is answered or times out, never both');
      t.ok(outcomes.every((o) => new Set(o.answers).size <= 1 && (status === 200 && method === 'INVITE' || o.answers.length <= 1)), 'one answer; only a 2xx of an INVITE is told again');
      t.ok([...handled.values()].every((n) => n === 1), 'a repeated request is one request');
      const failed = outcomes.filter((o) => o.timeouts > 0);
      t.ok(failed.length <= count * mayFail, `${failed.length} timed out`);
      t.ok(failed.every((o) => o.at === LIFETIME), 'timer B and F: after 64*T1 exactly');
      t.ok(unacknowledged <= count * mayFail, `${unacknowledged} never acknowledged`);
      t.equal(left, 0, 'nothing is left behind');
      if (loss === 0) t.equal(sent, count * (method === 'INVITE' ? 4 : 2), 'no message too many: INVITE, 100, final, ACK');
    });
  }
}
