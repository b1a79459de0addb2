// H1: with `sip.thread` on, a thread that dies ends its own calls and nothing else: it is told, the service is not ready, and a new one serves on the same addresses.
import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { startSipServerThread } from '../../../lib/sipserver/index.js';
import { engines } from '../../helpers/engines.js';
import { stunRequest } from '../../helpers/rawPackets.js';
import { datagrams } from '../../helpers/stranger.js';
import { openStage, pause } from '../harness.js';

const skip = engines.sip === 'embedded' ? false : 'the embedded server is the subject';

/** The threads of SIP servers that start from now on, each once it is up. */
function sipThreads(t: Test): Worker[] {
  const found: Worker[] = [];
  const heard = (worker: Worker): void => {
    worker.on('message', (message: { kind?: string }) => { if (message.kind === 'ready') found.push(worker); });
  };
  process.on('worker', heard);
  t.teardown(() => { process.off('worker', heard); });
  return found;
}

async function until(test: () => boolean | Promise<boolean>, ms: number): Promise<boolean> {
  for (const end = Date.now() + ms; Date.now() < end; await pause(20)) if (await test()) return true;
  return false;
}

t.test('calls end as sipLost, readiness says so, new calls work, also after a second death', { skip, timeout: 90_000 }, async (t) => {
  const threads = sipThreads(t);
  const stage = await openStage({ overlay: { sip: { thread: true } }, peers: { pbx: { media: 'none' } } });
  t.teardown(() => stage.close());
  const { service, log } = stage.running;
  const ready = async (): Promise<number> => (await fetch(`http://${service.http}/ready`)).status;
  const listening = [...service.listening];
  for (const death of [1, 2]) {
    const user = stage.user();
    t.equal(await user.place(), 200);
    await threads[death - 1]?.terminate();
    t.ok(await until(() => service.table.size === 0, 2000), 'the call is over');
    const record = (await stage.running.records(2 * death - 1))[2 * death - 2];
    t.match(record?.termination, { by: 'us', reason: 'sipLost', status: 503 });
    t.equal(await ready(), 503);
    user.close();
    t.ok(await until(async () => await ready() === 200, 15_000), 'ready again');
    t.same(service.listening, listening);
    t.equal((await stage.call({}, 200)).status, 200);
    await stage.running.records(2 * death);
    t.ok(await until(async () => (await (await fetch(`http://${service.http}/metrics`)).text()).includes(`wab_sipserver_events_total{event="threadDeaths"} ${death}`), 3000));
  }
  t.equal(log.filter((text) => text.includes('the thread of the SIP server has died')).length, 2, 'told each time');
});

t.test('the new thread has the rules of now; one that cannot bind is tried again', { skip, timeout: 60_000 }, async (t) => {
  const threads = sipThreads(t);
  const texts: string[] = [];
  const say = (_facts: object, text: string): void => { texts.push(text); };
  const server = await startSipServerThread({
    listen: ['udp:127.0.0.1:0'], admin: { host: '127.0.0.1', port: 0, secret: 's' }, sources: { known: [], guests: [] }, logger: { info: say, warn: say, error: say, debug: say },
  });
  t.teardown(() => server.close());
  const port = Number(/:(\d+)$/.exec(server.listening[0] ?? '')?.[1]);
  const asker = await datagrams();
  t.teardown(() => { asker.close(); });
  const answered = async (): Promise<boolean> => {
    await asker.send(stunRequest(), port);
    await pause(50);
    return asker.heard.splice(0).length > 0;
  };
  t.notOk(await answered(), 'a stranger');
  server.setSources({ known: [{ networks: ['127.0.0.9'], protocols: ['udp'] }], guests: [] });
  t.ok(await until(answered, 2000));
  // Somebody takes the port in the moment without a thread.
  const [thread] = threads;
  const gone = thread === undefined ? undefined : once(thread, 'exit');
  await thread?.terminate();
  await gone;
  const thief = await datagrams('127.0.0.1', port);
  t.ok(await until(() => texts.includes('the SIP server does not start again'), 10_000));
  thief.close();
  t.ok(await until(answered, 20_000), 'still known, on the same port');
  t.equal(server.stats()['threadDeaths'], 1);
});

t.test('closing while it is down, and closing twice', { skip, timeout: 30_000 }, async (t) => {
  const threads = sipThreads(t);
  const server = await startSipServerThread({ listen: ['udp:127.0.0.1:0'], admin: { host: '127.0.0.1', port: 0, secret: 's' } });
  await threads[0]?.terminate();
  await Promise.all([server.close(), server.close()]);
  await pause(500);
  t.equal(threads.length, 1, 'nothing starts after the end');
});
