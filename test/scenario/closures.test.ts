// docs/closures.md as whole calls: whatever ends a call, each leg is closed once, and there is one record, one count and one log line.
import t from 'tap';
import type { CallRecord } from '../../lib/call/record.js';
import type { SimulatedMeta } from '../../lib/simulator/index.js';
import { number } from '../helpers/service.js';
import { openStage, pause, type Stage } from './harness.js';

interface Cause {
  readonly what: string;
  /** Plays it; `meta` answers business-initiated calls. */
  readonly play: (stage: Stage, meta: SimulatedMeta) => Promise<unknown>;
  /** by, reason and status of the termination. */
  readonly ends: string;
  /** What closes each leg, in order; "→" goes to the right in the ladder: Meta, us, the peer. */
  readonly meta: readonly string[];
  readonly peer: readonly string[];
}

/** PBX users by what they do; the payload of a user's call names who is called. */
const users: Readonly<Record<string, string>> = { 6001: 'echo', 6002: 'echo,hangup=0.3', 6003: 'ring', 6004: 'decline' };

/** A user's call for one of them. */
function call(stage: Stage, to: string, more: object = {}): { user: ReturnType<Stage['user']>; status: Promise<number>; over: Promise<unknown> } {
  const user = stage.user({ payload: to, expect: [], ...more });
  const over = new Promise((resolve) => user.once('ended', resolve));
  const status = user.place().then((final) => {
    if (final !== 200) user.close();
    return final;
  });
  return { user, over, status };
}

/** The PBX calls a WhatsApp user, who does as `behaviour` says. */
function dial(stage: Stage, meta: SimulatedMeta, behaviour: string): ReturnType<Stage['peers'][string]['call']> {
  meta.behaviour = behaviour;
  return stage.peers.pbx!.call(`sip:+447700900101@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>` });
}

const causes: readonly Cause[] = [
  {
    what: 'the user hangs up', ends: 'user hangup 200', meta: ['→ BYE'], peer: ['→ BYE'],
    play: async (stage) => {
      const { user, status } = call(stage, '6001');
      await status;
      await user.hangUp();
    },
  },
  { what: 'the peer hangs up', ends: 'peer hangup 200', meta: ['← BYE'], peer: ['← BYE'], play: (stage) => call(stage, '6002').over },
  {
    what: 'the user gives up while it rings', ends: 'user cancelled 487', meta: ['→ CANCEL', '← 487'], peer: ['→ CANCEL', '← 487'],
    play: async (stage) => {
      const { user, status } = call(stage, '6003');
      user.once('ringing', () => user.cancel());
      await status;
    },
  },
  { what: 'a person at the peer declines', ends: 'peer declined 603', meta: ['← 603'], peer: ['← 603'], play: (stage) => call(stage, '6004').status },
  { what: 'nobody answers in time', ends: 'peer noAnswer 480', meta: ['← 480'], peer: ['→ CANCEL', '← 487'], play: (stage) => call(stage, '6003').status },
  { what: 'the number is not ours', ends: 'policy number.unknown 404', meta: ['← 404'], peer: [], play: (stage) => call(stage, '6001', { number: '+447700900099' }).status },
  { what: "nothing comes from Meta's side", ends: 'us mediaTimeout 408', meta: ['← BYE'], peer: ['→ BYE'], play: (stage) => call(stage, '6001', { media: 'none' }).over },
  {
    what: 'Meta gives up for lack of media', ends: 'meta mediaTimeout 500', meta: ['→ BYE'], peer: ['→ BYE'],
    play: async (stage) => {
      const { user, status } = call(stage, '6001');
      await status;
      await user.hangUp({ reason: 'SIP;cause=500;text="WhatsApp client terminated the call due to not receiving any media for a long time."' });
    },
  },
  {
    what: 'a transfer is done, then the user hangs up', ends: 'user hangup 200', meta: ['→ BYE'], peer: ['→ BYE', '→ BYE'],
    play: async (stage) => {
      const { user, status } = call(stage, '6001');
      await status;
      const transferor = stage.peers.pbx?.lastCall;
      const left = new Promise((resolve) => transferor?.once('ended', resolve));
      await transferor?.refer(`sip:6005@127.0.0.1:${stage.peers.pbx?.port}`);
      await left;
      await user.hangUp();
    },
  },
  {
    what: 'the calling peer hangs up', ends: 'peer hangup 200', meta: ['← BYE'], peer: ['← BYE'],
    play: async (stage, meta) => {
      const dialled = await dial(stage, meta, 'tone');
      await dialled.final;
      await pause(100);
      await dialled.bye();
    },
  },
  {
    what: 'the called user hangs up', ends: 'user hangup 200', meta: ['→ BYE'], peer: ['→ BYE'],
    play: async (stage, meta) => {
      const dialled = await dial(stage, meta, 'tone,hangup=0.3');
      await new Promise((resolve) => dialled.once('ended', resolve));
    },
  },
  { what: 'Meta refuses', ends: 'meta noPermission 403', meta: ['→ 403'], peer: ['→ 403'], play: async (stage, meta) => (await dial(stage, meta, 'noPermission')).final },
  {
    what: 'the calling peer gives up while it rings', ends: 'peer cancelled 487', meta: ['← CANCEL', '→ 487'], peer: ['← CANCEL', '→ 487'],
    play: async (stage, meta) => {
      const dialled = await dial(stage, meta, 'ring');
      dialled.once('ringing', () => { dialled.cancel(); });
      await dialled.final;
    },
  },
  {
    what: 'the service drains, and the time is over', ends: 'us drained 503', meta: ['← BYE'], peer: ['→ BYE'],
    play: async (stage) => {
      await call(stage, '6001').status;
      await stage.running.service.drain();
    },
  },
];

/** What closes the legs, from a ladder: BYE, CANCEL and refusals of the INVITE but for challenges. */
function closing(ladder: string): { meta: string[]; peer: string[] } {
  const sides = { meta: [] as string[], peer: [] as string[] };
  for (const line of ladder.split('\n')) {
    const [, left = '', right = ''] = line.split('│');
    for (const [side, cell] of [['meta', left], ['peer', right]] as const) {
      const label = /\b(?:(BYE|CANCEL) \S|([3-6]\d\d) (?!.*\((?:BYE|CANCEL)\)))/.exec(cell);
      const what = label?.[1] ?? label?.[2];
      if (what === undefined || /^40[17]$/.test(what)) continue;
      sides[side].push(`${cell.includes('►') ? '→' : '←'} ${what}`);
    }
  }
  return sides;
}

t.test('each cause closes each leg once, with one record, one count and one log line', { timeout: 90_000 }, async (t) => {
  const stage = await openStage({
    peers: { pbx: { answer: (called: string) => users[called] ?? 'echo', config: { mayCall: [number] } } },
    overlay: {
      meta: { mediaTimeout: 3 }, limits: { drain: 1 },
      routes: Object.keys(users).map((user) => ({ name: `to-${user}`, number, payload: `^${user}$`, to: [{ peer: 'pbx', user }], ringTimeout: 2 })),
    },
  });
  t.teardown(() => stage.close());
  const answering = await stage.answerAsMeta();
  const ended = new Map<Cause, CallRecord>();
  for (const cause of causes) {
    await cause.play(stage, answering);
    const record = (await stage.running.records(ended.size + 1))[ended.size];
    if (record === undefined) throw new Error(`no record: ${cause.what}`);
    ended.set(cause, record);
  }
  // What comes late, and must not: a second record, a BYE after a refusal.
  await pause(700);
  const records = await stage.running.records(causes.length);
  t.equal(records.length, causes.length, 'one record each');
  const metrics = await (await fetch(`http://${stage.running.service.http}/metrics`)).text();
  const counts = new Map([...metrics.matchAll(/^wab_calls_total\{direction="(.*?)",by="(.*?)",reason="(.*?)",status="(\d+)",result="\w+"\} (\d+)$/gm)]
    .map(([, direction, by, reason, status, count]) => [`${direction} ${by} ${reason} ${status}`, Number(count)]));
  for (const [{ what, ends, meta, peer }, { id, direction, termination: { by, reason, status } }] of ended) {
    t.equal(`${by} ${reason} ${status}`, ends, what);
    const { meta: onMeta, peer: onPeer } = closing(stage.running.service.ladder(id) ?? '');
    t.same(onMeta, meta, `${what}: Meta's leg`);
    t.same(onPeer, peer, `${what}: the peer's leg`);
    const lines = stage.running.log.filter((line) => line.includes(id) && line.includes('"call ended"'));
    t.equal(lines.length, 1, `${what}: one log line`);
    t.match(lines[0], `"by":"${by}","reason":"${reason}"`);
    const alike = records.filter((other) => other.direction === direction && other.termination.by === by && other.termination.reason === reason && other.termination.status === status);
    t.equal(counts.get(`${direction} ${by} ${reason} ${status}`), alike.length, `${what}: counted once`);
  }
  t.equal([...counts.values()].reduce((sum, count) => sum + count, 0), causes.length, 'and nothing else is counted');
  t.equal(stage.running.service.table.size, 0);
});

t.test('more calls than limits.maxCalls: 503 for the next, and the one that is up goes on', async (t) => {
  const stage = await openStage({ overlay: { limits: { maxCalls: 1 } } });
  t.teardown(() => stage.close());
  const first = stage.user({ expect: [] });
  t.equal(await first.place(), 200);
  const second = stage.user({ from: '+447700900102', expect: [] });
  t.equal(await second.place(), 503);
  second.close();
  t.match((await stage.running.records(1))[0]?.termination, { by: 'us', reason: 'overload', status: 503 });
  t.equal(first.report().endedBy, 'nobody');
  await first.hangUp();
  t.match((await stage.running.records(2))[1]?.termination, { by: 'user', reason: 'hangup' });
});
