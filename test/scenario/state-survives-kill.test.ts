import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { MetaSide, startMeta, startPeer } from '../../lib/simulator/index.js';
import { DailyCounters } from '../../lib/state/index.js';
import { runProcess } from '../helpers/process.js';
import { domain, freePort, number, password, writeConfig } from '../helpers/service.js';
import { pause } from './harness.js';

const user = (n: number): string => `+4477009001${String(n).padStart(2, '0')}`;

/** What a service that starts with this file would count; from a copy, as opening it writes it anew. */
async function countedIn(file: string, key: string): Promise<number> {
  await copyFile(file, `${file}.seen`);
  const counters = await DailyCounters.open({ file: `${file}.seen`, now: Date.now, log: { warn: () => undefined, error: () => undefined } });
  const count = counters.count(key);
  await counters.close();
  return count;
}

t.test('kill -9 in the middle of calls, and a restart: the day is as it was, nothing is in use', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'wab-kill-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const peer = await startPeer({ media: 'none' });
  t.teardown(() => peer.close());
  const metaPort = await freePort();
  const state = join(dir, 'state');
  const dayLimit = 60;
  const { text, certificates } = await writeConfig(dir, {
    metaPort, peers: { pbx: { port: peer.port, mayCall: [number] } },
    overlay: { state: `file:${state}`, meta: { mediaTimeout: 0 }, numbers: { [number]: { newCallsPerDay: dayLimit, pairLimit: 'launch' } } },
  });
  const config = join(dir, 'config.yaml');
  await writeFile(config, text);
  const side = await MetaSide.open({ listen: `127.0.0.1:${metaPort}`, cert: certificates.metaCert, key: certificates.metaKey });
  t.teardown(() => side.close());
  const meta = await startMeta({ side, numbers: [{ number, password, hostname: domain }], byeVia: 'same', media: 'none', behaviour: 'noring' });
  t.teardown(() => meta.close());
  // Every call whose INVITE came as far as Meta, also those that were only challenged yet.
  const reached = new Set<string>();
  const { invites } = side;
  side.invites = (transaction) => {
    reached.add(transaction.request.get('call-id') ?? '');
    if (reached.size === 16) fully?.();
    invites?.(transaction);
  };
  let fully: (() => void) | undefined;

  let service = await runProcess(config);
  t.teardown(() => service.end('SIGINT'));
  const dial = async (to: string): Promise<Awaited<ReturnType<typeof peer.call>>> =>
    peer.call(`sip:${to}@127.0.0.1:${service.port('udp')}`, { from: `<sip:${number}@pbx.example>` });

  // A pair is given back a moment after its last call; until then it is told to come again.
  const dialFree = async (to: string): ReturnType<typeof dial> => {
    for (;;) {
      const call = await dial(to);
      if (await call.final !== 503) return call;
      await pause(50);
    }
  };

  // One pair uses up its day; another has a call that is up when the process dies.
  for (let i = 0; i < 5; i++) {
    const call = await dialFree(user(1));
    t.equal(await call.final, 200);
    await call.bye();
  }
  t.equal(await (await dial(user(2))).final, 200);
  // And calls are coming in all the time.
  const coming = Promise.all(Array.from({ length: 30 }, (_, i) => dial(user(10 + i))));
  await new Promise<void>((resolve) => { fully = () => { resolve(service.end('SIGKILL')); }; });
  const calls = await coming;
  for (const call of calls) call.close();
  const before = reached.size;
  t.ok(before >= 16 && before <= 36, `${before} calls had come to Meta`);

  // Counted before they leave: those that were just leaving are the only ones more.
  const counted = await countedIn(state, `n ${number}`);
  t.ok(counted >= before && counted <= 36, `${counted} are counted: every one that came to Meta`);

  for (const call of [...peer.liveCalls]) call.close();
  for (const call of meta.liveCalls) call.close();
  service = await runProcess(config);
  t.equal(await (await dial(user(1))).final, 403, "the pair's day is used up still");
  const again = await dial(user(2));
  t.equal(await again.final, 200, 'the pair that was in a call is free');
  await again.bye();

  meta.behaviour = 'noPermission';
  const more = await Promise.all(Array.from({ length: 60 }, (_, i) => dial(user(40 + i % 60))));
  await Promise.all(more.map((call) => call.final));
  t.equal(reached.size - before, dayLimit - counted, "the number's day goes on where it was");
  t.match(more.at(-1)!.report().message, /Reason: .*60 new calls in 24 h/i);

  await service.end('SIGKILL');
  t.equal(await countedIn(state, `n ${number}`), dayLimit, 'killed when all is still: counted to the call');
});
