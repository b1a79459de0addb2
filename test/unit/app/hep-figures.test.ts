// Figures for HEP while calls are up: one call's trouble is not another's, and no round begins before the last is over.
import t from 'tap';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mock } from 'node:test';
import { openHep } from '../../../lib/app/hep.js';
import type { Start } from '../../../lib/app/start.js';
import type { State } from '../../../lib/app/state.js';
import type { Undo } from '../../../lib/app/undo.js';
import { Guard } from '../../../lib/util/guard.js';
import { readHep } from '../../helpers/hep.js';

const leg = { codec: 'PCMU', packetsIn: 50, bytesIn: 8000, lost: 0, jitterMs: 1, roundTripMs: null, mos: null };
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

function callOf(id: string, stats: () => Promise<unknown>): object {
  return { id, answeredAt: 1, over: false, media: { stats }, log: silent, facts: { metaCallId: `${id}-meta`, peerCallId: null } };
}

async function rig(t: { teardown(action: () => unknown): void }, calls: object[]): Promise<{ heard: string[]; faults: string[]; round: (n?: number) => Promise<void> }> {
  mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
  t.teardown(() => mock.timers.reset());
  const heard: string[] = [];
  const socket = createSocket('udp4', (data) => { heard.push(readHep(data).correlation); });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  const faults: string[] = [];
  const undo: Undo = [];
  const entry = { time: 0, direction: 'in', transport: 'udp', local: '127.0.0.1:5060', remote: '127.0.0.1:5062', text: '' };
  const start = {
    config: { hep: { server: `udp:127.0.0.1:${socket.address().port}`, id: 1, password: null, ca: null } }, log: silent, undo,
    faults: new Guard(() => undefined, (_place, error) => { faults.push(error.message); }),
  } as unknown as Start;
  const state = { history: { owners: () => new Map(), masked: (text: string) => text, observe: () => undefined, firstOf: () => entry }, table: { all: () => calls } } as unknown as State;
  await openHep(start, state);
  t.teardown(async () => { for (const step of undo) await step(); });
  // Real time for the socket: its turns are no timers.
  const turns = async (): Promise<void> => { for (let i = 0; i < 200; i += 1) await new Promise((resolve) => setImmediate(resolve)); };
  return { heard, faults, round: async (ms = 10_000) => { mock.timers.tick(ms); await turns(); } };
}

t.test('a call whose figures cannot be had costs no other its own', async (t) => {
  const { heard, faults, round } = await rig(t, [
    callOf('one', () => Promise.resolve({ meta: leg, peer: leg })), callOf('broken', () => Promise.reject(new Error('its thread has died'))), callOf('two', () => Promise.resolve({ meta: leg, peer: leg })),
  ]);
  await round();
  t.same([...new Set(heard)].sort(), ['one', 'two']);
  t.same(faults, [], 'and is no fault of ours');
});

t.test('one that never says them holds up the others for two seconds, and no second round begins meanwhile', async (t) => {
  let asked = 0;
  const { heard, round } = await rig(t, [
    callOf('mute', () => { asked += 1; return new Promise(() => undefined); }), callOf('two', () => Promise.resolve({ meta: leg, peer: leg })),
  ]);
  await round();
  t.same([asked, heard], [1, []]);
  await round(2000);
  t.same([...new Set(heard)], ['two']);
});

t.test('a round that takes longer than the pause is not begun a second time', async (t) => {
  let asked = 0;
  const slow = Array.from({ length: 8 }, (_, n) => callOf(`mute${n}`, () => { asked += 1; return new Promise(() => undefined); }));
  const { round } = await rig(t, slow);
  for (let i = 0; i < 10; i += 1) await round(2000);
  t.equal(asked, 6, 'begun at ten seconds, each is waited for in turn; at twenty no other round begins');
  await round(2000);
  t.equal(asked, 7);
});
