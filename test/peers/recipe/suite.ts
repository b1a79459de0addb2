import type { Test } from 'tap';
import type { SimulatedPeer, SimulatedUser } from '../../../lib/simulator/index.js';
import { assertQuietLeg, hears, until } from '../../scenario/pbx/steps.js';
import { requestsOf, rowOf, type Row } from './rows.js';
import { registerPhone, startPhone, toneOf } from './phones.js';
import type { RecipeStage } from './stage.js';

/** A PBX that runs its recipe, with phones behind it: what is tried with each. */
export interface Bench {
  readonly stage: RecipeStage;
  /** Its name among our peers, its host and host:port. */
  readonly peer: string;
  readonly host: string;
  readonly at: string;
  /** host:port as its phones name it to us; left out: `at`. */
  readonly named?: string;
  readonly password: (user: string) => string;
  /** Users whose phones answer, and have the two tones. */
  readonly first: { readonly user: string; readonly phone: SimulatedPeer };
  readonly second: { readonly user: string; readonly phone: SimulatedPeer };
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** Behaviours of phones, by the last digit of their user. */
export const behaviours = { 1: 'tone', 2: 'tone', 3: 'busy', 4: 'ring', 5: 'decline', 6: 'vanish', 8: 'unavailable' } as const;

/** Phones with these behaviours, registered at the PBX; `prefix` and a digit make a user. */
export async function phonesAt(t: Test, { at, host, password }: Pick<Bench, 'at' | 'host' | 'password'>, prefix: string, [first, second]: readonly [string, string]): Promise<Pick<Bench, 'first' | 'second'>> {
  const phone = async (user: string, answer: string, tones?: [number, number]): Promise<{ user: string; phone: SimulatedPeer }> => {
    const started = await startPhone({ user, password: password(user), registrar: at, domain: host, answer, tones });
    t.teardown(() => started.close());
    return { user, phone: started };
  };
  for (const digit of [3, 4, 5, 6, 8] as const) await phone(`${prefix}${digit}`, behaviours[digit]);
  return { first: await phone(first, 'tone', toneOf.first), second: await phone(second, 'delay=0.2,tone', toneOf.second) };
}

/** A WhatsApp user calls and is called; audio both ways. */
export async function bothDirections(t: Test, { stage, peer, first, host, at, password }: Bench): Promise<void> {
  await t.test('a WhatsApp user calls', async (t) => {
    const user = stage.user({ expect: toneOf.first });
    t.equal(await user.place(), 200);
    await hears(user, 'tone');
    await until(() => (first.phone.lastCall?.report().media?.tone.heard ?? 0) > 5, 'the phone hears the user');
    await user.hangUp();
    t.match(await stage.recordOf(user), { direction: 'user-initiated', peer, termination: { by: 'user', reason: 'hangup' } });
    assertQuietLeg(t, user.report());
  });
  await t.test('a phone calls a WhatsApp user', async (t) => {
    const meta = await stage.answerAsMeta({ behaviour: 'tone', expect: toneOf.first });
    const call = await first.phone.call(`sip:+447700900101@${host}`, { via: `udp:${at}`, auth: { username: first.user, password: password(first.user) }, from: `<sip:${first.user}@${host}>` });
    t.equal(await call.final, 200);
    await until(() => meta.liveCalls[0]?.report().status === 200, 'Meta has the call');
    const whatsapp = meta.liveCalls[0];
    if (whatsapp === undefined) return;
    await hears(whatsapp, 'tone');
    await until(() => (call.report().media?.tone.heard ?? 0) > 5, 'the phone hears the user');
    await call.bye();
    await until(() => whatsapp.ended, 'Meta gets the BYE');
    t.match(await stage.recordOf(whatsapp), { direction: 'business-initiated', peer, number: '+447700900001', termination: { by: 'peer', reason: 'hangup' } });
    await meta.close();
  });
}

/** Every user of `rows` is called, and the PBX says what stands there. */
export async function rowsAre(t: Test, { stage }: Bench, rows: Readonly<Record<string, readonly [what: string, row: Omit<Row, 'seconds' | 'reason'> & { readonly reason: string | RegExp | null }]>>): Promise<void> {
  for (const [user, [what, expected]] of Object.entries(rows)) {
    await t.test(`${what} (${user})`, async (t) => {
      const { seconds, ...row } = await rowOf(stage, user);
      t.match(row, expected, `after ${seconds} s`);
    });
  }
}

/**
 * What came on our leg in each case, as `requestsOf` words it, in whatever order (a PBX's own differs from run to run), and no other method; the user
 * heard what there was to hear, and Meta nothing of SIP.
 */
export interface InCall { readonly hold: readonly string[]; readonly blind: readonly string[]; /** Null: its phones do not call one another. */ readonly attended: readonly string[] | null }

/** The phone that has the call holds, resumes, transfers blind; in another call, attended. */
export async function inTheCall(t: Test, bench: Bench, expected: InCall): Promise<void> {
  const { stage, first, second, host, at, named = at, password } = bench;
  const place = async (): Promise<SimulatedUser> => {
    const user = stage.user({ payload: `only-${first.user}`, expect: [...toneOf.first, ...toneOf.second] });
    t.equal(await user.place(), 200);
    await until(() => hearsOneOf(user, toneOf.first), 'the phone is heard');
    return user;
  };
  const ended = async (user: SimulatedUser): Promise<string[]> => {
    await user.hangUp();
    const { id } = await stage.recordOf(user);
    assertQuietLeg(t, user.report());
    await until(() => first.phone.liveCalls.length === 0 && second.phone.liveCalls.length === 0, 'no phone is left in a call');
    return requestsOf(await stage.sipOf(id));
  };

  await t.test('hold and resume', async (t) => {
    const user = await place();
    t.equal(await first.phone.hold('inactive'), 200);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    t.equal(await first.phone.resume('tone'), 200);
    await hears(user, 'tone');
    came(t, await ended(user), expected.hold);
  });
  await t.test('blind transfer', async (t) => {
    const user = await place();
    t.equal(await first.phone.refer(`sip:${second.user}@${named}`), 202);
    await until(() => hearsOneOf(user, toneOf.second), 'the colleague is heard');
    await first.phone.bye();
    came(t, await ended(user), expected.blind);
  });
  const { attended } = expected;
  if (attended !== null) await t.test('attended transfer', async (t) => {
    const user = await place();
    const call = first.phone.lastCall;
    t.equal(await call?.hold('inactive'), 200);
    const asked = await first.phone.call(`sip:${second.user}@${host}`, { via: `udp:${at}`, auth: { username: first.user, password: password(first.user) }, from: `<sip:${first.user}@${host}>` });
    t.equal(await asked.final, 200);
    // They talk.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { callId, remote, local } = asked.ids();
    t.equal(await call?.refer(`sip:${second.user}@${named}?Replaces=${encodeURIComponent(`${callId};to-tag=${remote};from-tag=${local}`)}`), 202);
    await until(() => hearsOneOf(user, toneOf.second), 'the colleague is heard');
    await call?.bye();
    await asked.bye();
    came(t, await ended(user), attended);
  });
}

function came(t: Test, requests: readonly string[], expected: readonly string[]): void {
  const methods = new Set(expected.map((request) => request.split(' ')[0]));
  t.same(expected.filter((request) => !requests.includes(request)), [], `all came: ${requests.join(', ')}`);
  t.same(requests.filter((request) => !methods.has(request.split(' ')[0])), [], 'nothing else did');
}

function hearsOneOf(user: SimulatedUser, tones: readonly number[]): boolean {
  const heard = user.report().audio?.detail.tone.frequencies ?? [];
  return tones.some((tone) => heard.includes(tone));
}

/** What the PBX's dialplan makes of refusals: `said` is its log. */
export async function readsTheCause(t: Test, { stage, first, host, at, password }: Bench, said: () => Promise<string>): Promise<void> {
  for (const [behaviour, cause] of [['noPermission', 'meta noPermission'], ['dayLimit', 'meta dailyLimit'], ['badDigest', 'meta badCredentials']] as const) {
    await t.test(`E15: the dialplan knows a refusal by its cause: ${cause}`, async (t) => {
      const meta = await stage.answerAsMeta({ behaviour });
      const call = await first.phone.call('sip:+447700900101@' + host, { via: `udp:${at}`, auth: { username: first.user, password: password(first.user) }, from: `<sip:${first.user}@${host}>` });
      await call.final;
      const deadline = Date.now() + 3000;
      while (!(await said()).includes(cause) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 100));
      t.match(await said(), new RegExp(`wa-b2bua said .*${cause}`));
      await meta.close();
    });
  }
}

/**
 * Kills the PBX in a call and leaves it away until it is out of service; then it starts. The old call is asked about and ends as
 * `ended` says; calls are taken within `seconds` of its being up.
 */
export async function comesBackFromOut(t: Test, { stage, first, kill, start, at, host, password }: Bench, { ended, seconds }: { readonly ended: string; readonly seconds: number }): Promise<void> {
  await t.test('E11: the PBX stays away until it is out of service, and comes back', async (t) => {
    const call = { payload: `only-${first.user}`, expect: [] };
    const user = stage.user(call);
    t.equal(await user.place(), 200);
    const from = stage.log.length;
    const told = (what: string): boolean => stage.log.slice(from).some((line) => line.includes(what));
    await kill();
    const killed = performance.now();
    const tries: number[] = [];
    while (!told('is out of service') && performance.now() - killed < 60_000) {
      const next = stage.user(call);
      tries.push(await next.place());
      next.close();
    }
    const out = since(killed);
    t.ok(told('is out of service'), `out ${out} s after its end, calls meanwhile got ${tries.join(', ')}`);
    // A while later.
    await new Promise((resolve) => setTimeout(resolve, 5000));
    await start();
    const started = performance.now();
    await registerPhone(first.phone, { user: first.user, password: password(first.user), registrar: at, domain: host });
    const registered = performance.now();
    t.equal(await untilTaken(stage, call, started), 200);
    const took = since(started);
    t.ok(took <= seconds, `a call is taken ${took} s after the PBX is up, ${since(registered)} s after its phone is registered`);
    await until(() => told('is back in service'), 'it is back');
    if (ended !== 'user hangup') await until(() => user.ended, 'the call that it does not know is ended');
    else await user.hangUp();
    const { termination: { by, reason } } = await stage.recordOf(user);
    t.equal(`${by} ${reason}`, ended);
    t.comment(`out after ${out} s; a call taken ${took} s after it was up; the old call ended ${by} ${reason}`);
  });
}

/** Places calls until one is answered, for a minute at most from `begin`; gives the last one's status. */
async function untilTaken(stage: Bench['stage'], call: Parameters<Bench['stage']['user']>[0], begin: number): Promise<number> {
  for (;;) {
    const next = stage.user(call);
    const status = await next.place();
    if (status === 200) await next.hangUp();
    next.close();
    if (status === 200 || performance.now() - begin > 60_000) return status;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Seconds since then, to a tenth. */
function since(from: number): number {
  return Math.round((performance.now() - from) / 100) / 10;
}

/**
 * Kills the PBX in a call and starts it again at once: the call ends as `ended` says, and calls are taken within `seconds` of its being back (its phones
 * register anew).
 */
export async function comesBack(t: Test, { stage, first, kill, start, at, host, password }: Bench, { ended, seconds }: { readonly ended: string; readonly seconds: number }): Promise<void> {
  await t.test('the PBX loses its power in a call and starts again', async (t) => {
    const call = { payload: `only-${first.user}`, expect: [] };
    const user = stage.user(call);
    t.equal(await user.place(), 200);
    await kill();
    await start();
    await registerPhone(first.phone, { user: first.user, password: password(first.user), registrar: at, domain: host });
    const back = performance.now();
    t.equal(await untilTaken(stage, call, back), 200);
    const took = since(back);
    t.ok(took <= seconds, `takes a call ${took} s after its phones are back`);
    if (!user.ended) await user.hangUp();
    const { termination: { by, reason } } = await stage.recordOf(user);
    t.equal(`${by} ${reason}`, ended);
  });
}
