// scripts/bench --only listeners: what programs that listen cost callers. The same calls through a service that nobody listens to and one with listeners and
// dead webhooks, in turns; each listener counts what it missed.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Bench, freePort, percentile, start } from './tools.js';

const LISTENERS = 100;
const RATE = 20;
const WARM = 100;
/** Calls of a turn. A p99 is read of all turns together. */
const TURN = 200;
const TOKEN = 'listeners-of-bench';

/** Five receivers, each dead in its own way: nobody there, silent, one that hangs up, 500 after a while, and one that reads a byte a second. */
async function deadReceivers() {
  const sockets = new Set();
  const server = (onSocket) => new Promise((resolve) => {
    const it = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
      onSocket(socket);
    }).listen(0, '127.0.0.1', () => resolve(it));
  });
  const servers = await Promise.all([
    server((socket) => socket.resume()),
    server((socket) => socket.destroy()),
    server((socket) => socket.once('data', () => setTimeout(() => socket.end('HTTP/1.1 500 Dead\r\nContent-Length: 0\r\n\r\n'), 2000))),
    server((socket) => socket.pause()),
  ]);
  const ports = [await freePort(false), ...servers.map((it) => it.address().port)];
  return {
    urls: ports.map((port) => `http://127.0.0.1:${port}/`),
    close() {
      for (const it of servers) it.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/**
 * Calls with and without listeners, RATE a second, signalling and media sessions without RTP. Times in ms; `ratio` of p99 with listeners to p99 without; `lost`:
 * events that a listener did not get, over all, reconnections included; `disorder`: events of a call that came before an earlier one of that call.
 */
export async function listeners(rounds) {
  const dead = await deadReceivers();
  const quiet = new Bench(true);
  const heard = new Bench(true, () => ({
    api: { listen: '127.0.0.1:0', tokens: [{ name: 'bench', token: TOKEN, scopes: ['read', 'calls', 'users'] }] },
    events: { webhooks: dead.urls.map((url) => ({ url, secret: 'secret-of-the-bench-receivers' })) },
  }));
  const sides = [{ name: 'without', bench: quiet, runs: [] }, { name: 'with', bench: heard, runs: [] }];
  for (const { bench } of sides) {
    await bench.open();
    bench.job.media = 'none';
    await bench.load({ calls: WARM, rate: RATE, holdMs: 200 });
  }
  const ears = start(process.execPath, [join(dirname(fileURLToPath(import.meta.url)), 'ears.js'), JSON.stringify({ api: heard.api, token: TOKEN, count: LISTENERS })], ['pipe', 'pipe', 'inherit']);
  const said = createInterface({ input: ears.stdout })[Symbol.asyncIterator]();
  await said.next();
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 === 0 ? sides : [...sides].reverse()) {
      const run = await side.bench.load({ calls: TURN, rate: RATE, holdMs: 300 });
      side.runs.push(run);
      console.error(`turn ${round + 1} ${side.name}: p50 ${run.p50Ms}, p99 ${run.p99Ms} ms, ${run.failed} failed`);
    }
  }
  const memory = await heard.figures('gc');
  const ended = once(ears, 'exit');
  ears.stdin.end();
  const told = JSON.parse((await said.next()).value);
  await ended;
  for (const { bench } of sides) await bench.close();
  dead.close();
  const [without, having] = sides.map(({ runs }) => {
    const latencies = runs.flatMap((run) => run.latencies);
    const sum = (key) => runs.reduce((total, run) => total + run[key], 0);
    const cpuMsPerCall = percentile(runs.map((run) => run.serviceCpuMsPerCall), 0.5);
    return { answered: sum('answered'), failed: sum('failed'), p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99), cpuMsPerCall };
  });
  const ratio = Math.round((100 * having.p99Ms) / without.p99Ms) / 100;
  return { listeners: LISTENERS, deadWebhooks: dead.urls.length, rate: RATE, rounds, without, with: having, ratio, ...told, heapMb: Math.round(memory.heapUsed / 1e5) / 10 };
}
