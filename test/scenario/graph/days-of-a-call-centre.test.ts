// Days of a call centre on a moved clock: 500 users, the stand-in of the Graph API and its webhooks over HTTP, our ledger, gate, state file and webhook listener.
// That both sides agree means:
// - never a call that Meta refuses for want of permission, and never a request that Meta refuses, but where a webhook about this user is still on its way, or
//   the user has taken the permission back by hand, which Meta tells nobody: that may cost one call; nor where the user hides the number and Meta has named number and id together nowhere yet;
// - after every step whose webhooks have come: a user whom the ledger lets be called may be called at Meta; one who said no, or whom Meta has taken back, may not;
//   one who may be asked by the ledger may be asked at Meta;
// - at the end, for every user: the gate rules as Meta does.
// WAB_SEED, WAB_DAYS and WAB_STEPS (a day) for more.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { startGraph } from '../../../lib/simulator/index.js';
import { movedClock } from '../../helpers/movedClock.js';
import { freePort } from '../../helpers/ports.js';
import { number } from '../../helpers/service.js';
import { openBusiness, type Business } from './permissionRig.js';

const seed = Number(process.env['WAB_SEED'] ?? 20261129);
const days = Number(process.env['WAB_DAYS'] ?? 8);
const stepsPerDay = Number(process.env['WAB_STEPS'] ?? 160);
const id = '100000000000001';
const dayMs = 86_400_000;
const users = Array.from({ length: 500 }, (_, i) => `+447700${String(900_100 + i)}`);

t.test(`${days} days, ${stepsPerDay} steps a day, 500 users (WAB_SEED=${seed})`, { timeout: 120_000 + days * stepsPerDay * 100 }, async (t) => {
  const clock = movedClock(t);
  const dir = await mkdtemp(join(tmpdir(), 'wab-centre-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  let state = seed >>> 0;
  // Mulberry32.
  const random = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4_294_967_296;
  };
  const chance = (share: number): boolean => random() < share;
  const below = (count: number): number => Math.floor(random() * count);

  const port = await freePort();
  const secret = 'secret-of-the-app';
  const calling = { status: 'ENABLED', sip: { status: 'ENABLED', webhook_delivery: 'ENABLED' }, srtp_key_exchange_protocol: 'SDES', callback_permission_status: 'ENABLED' };
  const graph = await startGraph({ tokens: { EAAtoken: '9' }, numbers: [{ number, id, calling }], webhooks: { url: `http://127.0.0.1:${port}/meta`, secret } });
  t.teardown(() => graph.close());
  const { world } = graph;
  const opened = (): Promise<Business> => openBusiness(dir, {
    graph: { url: graph.url, token: 'EAAtoken', timeout: 2, whenDown: 'refuse', verifyEvery: 0 }, numbers: { [number]: { id, permission: 'request' } },
    webhooks: { listen: `127.0.0.1:${port}`, appSecret: secret, verifyToken: 'v' },
  });
  let business = await opened();
  t.teardown(() => business.close());

  /** Users who have taken their permission back by hand since Meta was heard of them last. */
  const silent = new Set<string>();
  const told = { silently: 0, calls: 0, requests: 0, connected: 0, untaken: 0, revoked: 0,
    usersCalls: 0, refused: 0, takenBackByHand: 0, overtaken: 0, unnamed: 0, overtakenRequests: 0, questions: 0, down: 0, compared: 0, known: 0, restarts: 0, webhooks: 0 };
  const wrong: string[] = [];
  const onTheWay = (user: string): boolean => {
    // Users who hide their number are named by their id alone.
    const { userId } = graph.pair(number, user).user;
    return world.webhooks.sent.some((sent) => sent.status !== 200 && [user.slice(1), userId].some((name) => JSON.stringify(sent.body).includes(name)));
  };
  let dialling = '';
  graph.onRequest = ({ path, status, body }) => {
    if (path.includes('call_permissions')) {
      told.questions += 1;
      if (status === 200) silent.delete(`+${/user_wa_id=(\d+)/.exec(path)?.[1] ?? ''}`);
    }
    if (!path.endsWith('/messages')) return;
    told.requests += 1;
    if (status === 200 || status >= 500 || graph.world.behaviour.fault !== null) return;
    if (onTheWay(dialling)) told.overtakenRequests += 1;
    else wrong.push(`a request too many: ${status} ${body}`);
  };

  let calls = 0;
  /** Meta's SIP names a user by number and id, in the INVITE and in the 200. */
  function learn(user: string): void {
    const { userId, parentUserId } = graph.pair(number, user).user;
    business.state.userNames.learn(user, userId, parentUserId);
  }
  /** Replies of a user who hides the number, and of whom nothing has named both number and id, cannot be known to be this user's. */
  const isNamed = (user: string): boolean => business.state.userNames.keyOf(graph.pair(number, user).user.userId) === user;

  /** A call of the PBX, as lib/call places it: gate, count, INVITE, end. */
  async function dial(user: string, how: 'taken' | 480 | 486 | 408): Promise<void> {
    dialling = user;
    const { gate, ledger, config } = business;
    const ruling = await gate.judge(number, config.numbers[number]!, user);
    if (!ruling.allowed) {
      told.refused += 1;
      return;
    }
    const begun = clock.now();
    await ledger.callBegins(number, user);
    told.calls += 1;
    const refusal = await graph.calls.judge(number, user);
    if (refusal !== undefined) {
      if (silent.delete(user)) told.takenBackByHand += 1;
      else if (onTheWay(user)) told.overtaken += 1;
      else if (!isNamed(user)) told.unnamed += 1;
      else wrong.push(`a call too many: ${user} ${JSON.stringify(refusal)} ${JSON.stringify(ruling)}`);
      ledger.callFailed(number, user, 'noPermission', begun);
      return;
    }
    const call = { id: `wacid.${calls += 1}`, number, user, direction: 'BUSINESS_INITIATED' as const };
    await graph.calls.begun(call);
    clock.advance(1000 + below(20_000));
    if (how === 'taken') {
      told.connected += 1;
      learn(user);
      ledger.callConnected(number, user, clock.now(), true);
      const connectedMs = 1000 + below(300_000);
      clock.advance(connectedMs);
      await graph.calls.ended(call, { status: 200, connectedMs });
      return;
    }
    told.untaken += 1;
    const before = world.ledger.isPermitted(graph.pair(number, user).number, graph.pair(number, user).user);
    await graph.calls.ended(call, { status: how, connectedMs: null });
    if (before && !world.ledger.isPermitted(graph.pair(number, user).number, graph.pair(number, user).user)) told.revoked += 1;
    ledger.callFailed(number, user, 'untaken', begun);
  }

  /** A user calls; `reached`: it comes to us by SIP, else Meta alone knows. */
  async function calledBy(user: string, taken: boolean, reached: boolean): Promise<void> {
    told.usersCalls += 1;
    const call = { id: `wacid.${calls += 1}`, number, user, direction: 'USER_INITIATED' as const };
    await graph.calls.begun(call);
    const connectedMs = taken ? 1000 + below(300_000) : null;
    if (reached) learn(user);
    if (taken && reached) business.ledger.callConnected(number, user, clock.now(), false);
    clock.advance(connectedMs ?? 5000);
    await graph.calls.ended(call, { status: taken ? 200 : 480, connectedMs });
    if (reached) business.ledger.usersCall(number, user);
  }

  /** Both sides about a user of whom no webhook is on its way. */
  function compare(user: string): void {
    const pair = graph.pair(number, user);
    const standing = business.ledger.standing(number, user);
    const permitted = world.ledger.isPermitted(pair.number, pair.user);
    if (!isNamed(user)) return;
    told.compared += 1;
    if (standing !== null) told.known += 1;
    if (standing !== null && standing.status !== 'none' && !permitted && !silent.has(user)) wrong.push(`${user}: the ledger lets be called whom Meta does not: ${JSON.stringify(standing)}`);
    if (standing?.status === 'none' && (standing.by === 'user' || standing.by === 'automatic') && permitted) wrong.push(`${user}: the ledger has a no where Meta has a yes: ${JSON.stringify(standing)}`);
    const refusal = world.ledger.requestRefusal(pair.number, pair.user);
    if (business.ledger.requestFreeAt(number, user) === null && refusal === 138009) wrong.push(`${user}: the ledger lets be asked whom Meta does not`);
  }

  // A small company of regulars, and many who are called now and then.
  const someone = (): string => users[chance(0.6) ? below(60) : below(users.length)]!;
  const end = clock.now() + days * dayMs;
  for (let i = 0; clock.now() < end && wrong.length === 0; i += 1) {
    clock.advance(-Math.log(1 - random()) * dayMs / stepsPerDay * 0.8);
    // The weather of webhooks and of Meta changes now and then.
    if (i % 50 === 0) {
      const fault = chance(0.15) ? (['down', 'token', 'html', 'hangup', 'rate'] as const)[below(5)]! : null;
      if (fault !== null) told.down += 1;
      graph.behave({ duplicate: chance(0.3), disorder: chance(0.3), lateMs: chance(0.2) ? below(40) : 0, hidden: chance(0.2), loose: chance(0.2), unknown: chance(0.2), fault, times: fault === null ? Infinity : 6 });
    }
    const user = someone();
    const what = random();
    // One in six hardly ever takes a call.
    if (what < 0.62) await dial(user, chance(users.indexOf(user) % 6 === 0 ? 0.1 : 0.65) ? 'taken' : ([480, 486, 408] as const)[below(3)]!);
    else if (what < 0.78) graph.answer(number, user, chance(0.65) ? 'accept' : chance(0.4) ? 'permanent' : 'reject', false);
    else if (what < 0.84) {
      graph.answer(number, user, chance(0.4) ? 'permanent' : 'reject', true);
      // Some change their minds: in disorder the second comes before the first.
      clock.advance(below(3) * 1000);
      if (chance(0.5)) graph.answer(number, user, chance(0.5) ? 'permanent' : 'reject', true);
    } else if (what < 0.95) await calledBy(user, chance(0.6), chance(0.85));
    else if (what < 0.97) {
      const { number: meta, user: at } = graph.pair(number, user);
      if (world.ledger.isPermitted(meta, at)) {
        world.ledger.revoke(meta, at);
        silent.add(user);
        told.silently += 1;
      }
    } else if (what < 0.975) {
      // Ended and started anew; what comes meanwhile Meta sends again.
      told.restarts += 1;
      await business.close();
      business = await opened();
    }
    if (chance(0.5)) {
      await world.webhooks.idle();
      if (!onTheWay(user)) compare(user);
    }
  }
  await world.webhooks.idle();
  graph.behave({});
  told.webhooks = world.webhooks.sent.length;
  // A "no" of Meta's is kept for five seconds.
  clock.advance(6000);
  let may = 0;
  for (const user of users) {
    compare(user);
    // Meta answers a hundred questions a second.
    clock.advance(20);
    const pair = graph.pair(number, user);
    const ruling = await business.gate.judge(number, { ...business.config.numbers[number]!, permission: 'check' }, user);
    const permitted = world.ledger.isPermitted(pair.number, pair.user);
    if (permitted) may += 1;
    if (ruling.allowed !== permitted && !silent.has(user) && isNamed(user)) wrong.push(`at the end: ${user}: Meta ${permitted ? 'permits' : 'does not permit'} calls, the gate says ${JSON.stringify(ruling)}`);
  }
  t.comment(JSON.stringify({ ...told, mayBeCalledAtTheEnd: may }));
  t.same(wrong, []);
  const enough = days * stepsPerDay / 5000;
  t.ok(told.connected > 500 * enough && told.untaken > 300 * enough && told.revoked >= (enough < 1 ? 0 : 5 * enough) && told.requests > 300 * enough && told.usersCalls > 150 * enough, 'there was life in it');
  t.ok(told.takenBackByHand <= told.silently && told.overtaken + told.overtakenRequests <= told.calls / 20, 'what is excused is rare');
  t.ok(told.known > told.compared / 2, 'and the ledger knows most of what there is to know');
});
