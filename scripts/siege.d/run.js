// scripts/siege: calls at a steady rate, first alone, then under every kind of flood at once; prints what it did to them.
import { once } from 'node:events';
import { spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Bench, start } from '../bench.d/tools.js';

const option = (name, fallback) => Number(process.argv[process.argv.indexOf(`--${name}`) + 1] || NaN) || fallback;
// As if the strangers had no machines of their own: they then also take processor time from the service, which no packet of theirs could.
const equal = process.argv.includes('--equal');
const quick = process.argv.includes('--quick');
const seconds = option('seconds', quick ? 15 : 60);
const rate = option('rate', 20);
const datagrams = option('datagrams', 2000);
const connections = option('connections', 100);
// Transactions of the last calls are kept for 32 s.
const afterwards = quick ? 40 : 60;

const bench = new Bench(false, ({ certs, peerPort }) => ({
  sip: { listen: ['tls:127.0.0.1:0', 'udp:127.0.0.1:0', 'tcp:127.0.0.1:0'], tls: { cert: `${certs}/service.pem`, key: `${certs}/service.key` } },
  peers: {
    pbx: { uri: `sip:127.0.0.1:${peerPort}`, sources: ['127.0.0.2'], pstn: 'none', users: ['6001'], maxConcurrentCalls: 100_000, health: { interval: 0 } },
    // Phones may register from anywhere: strangers are answered, which is the harder case.
    phones: { register: true, pstn: 'none', accounts: { 6101: { password: 'never guessed' } }, health: { interval: 0 } },
  },
  http: { listen: '127.0.0.1:0' },
}));
await bench.open();
const port = (transport) => Number(new RegExp(`^${transport}:.*:(\\d+)$`).exec(bench.listening.find((l) => l.startsWith(`${transport}:`)))[1]);

/** /metrics of the SIP server, by counter; and how long /health took to answer, ms. */
async function look() {
  const began = performance.now();
  await (await fetch(`http://${bench.http}/health`)).text();
  const healthMs = Math.round(performance.now() - began);
  const metrics = await (await fetch(`http://${bench.http}/metrics`)).text();
  const counters = Object.fromEntries([...metrics.matchAll(/^wab_sipserver_(?:events_total|in_use)\{\w+="(\w+)"\} (\d+)/gm)].map(([, name, value]) => [name, Number(value)]));
  return { healthMs, counters };
}

const warm = await bench.load({ calls: rate * 5, rate, holdMs: 500 });
const alone = await bench.load({ calls: rate * seconds, rate, holdMs: 500 });
// The ladders of the last 500 calls are kept in memory: they are there by now, and not the strangers'.
const before = await bench.figures('gc');

// Strangers have machines of their own: they run here when nobody else wants the processor, so that what is measured is what their packets cost us.
const startStranger = (command, args, stdio) => (equal ? start(command, args, stdio) : start('chrt', ['--idle', '0', command, ...args], stdio));
const strangers = startStranger(process.execPath, [fileURLToPath(new URL('strangers.js', import.meta.url)), JSON.stringify({ udp: port('udp'), tcp: port('tcp'), tls: port('tls'), seconds: seconds + 2, datagrams, connections })], ['ignore', 'pipe', 'inherit']);
const told = once(createInterface({ input: strangers.stdout }), 'line');
// Source port 0 needs a raw socket.
const raw = spawnSync('sh', ['-c', 'command -v hping3']).status === 0
  ? ['127.9.0.1', '127.9.0.2'].map((from) => startStranger('hping3', ['-2', '-q', '-s', '0', '-k', '-p', String(port('udp')), '-a', from, '-d', '48', '-i', 'u5000', '-c', String(200 * seconds), '127.0.0.1'], 'ignore')) : [];
let slowest = 0;
let watching = true;
const watch = (async () => {
  while (watching) {
    slowest = Math.max(slowest, (await look()).healthMs);
    await sleep(250);
  }
})();
await sleep(1000);
const siege = await bench.load({ calls: rate * seconds, rate, holdMs: 500 });
watching = false;
await watch;
const { tried, heard, kinds } = JSON.parse((await told)[0]);
for (const child of raw) child.kill();
const peak = await bench.figures();
await sleep(afterwards * 1000);
const after = await bench.figures('gc');
const { counters } = await look();
const sum = (kinds) => kinds.reduce((total, kind) => total + (tried[kind] ?? 0), 0);
const sent = { datagramsPerSecond: Math.round(sum(kinds.datagrams) / (seconds + 2)), connectionsPerSecond: Math.round(sum(kinds.streams) / (seconds + 2)) };
const mb = (bytes) => Math.round(bytes / 1e5) / 10;
const result = {
  seconds, rate, equal, asked: { datagramsPerSecond: datagrams, connectionsPerSecond: connections }, sent, portZero: raw.length > 0, warm: warm.answered,
  alone: { answered: alone.answered, failed: alone.failed, p50Ms: alone.p50Ms, p99Ms: alone.p99Ms, cpuMsPerCall: alone.serviceCpuMsPerCall },
  siege: { answered: siege.answered, failed: siege.failed, statuses: siege.statuses, p50Ms: siege.p50Ms, p99Ms: siege.p99Ms, cpuMsPerCall: siege.serviceCpuMsPerCall, slowestHealthMs: slowest },
  heapMb: { before: mb(before.heapUsed), after: mb(after.heapUsed) }, rssMb: { before: mb(before.rss), peak: mb(peak.rss), after: mb(after.rss) },
  left: Object.fromEntries(['serverTransactions', 'clientTransactions', 'dialogs', 'requestsIn', 'requestsOut', 'acceptedConnections'].map((name) => [name, counters[name]])), counters, tried, heard,
};
console.log(JSON.stringify(result, null, 2));
const faults = [
  ...(sent.datagramsPerSecond < 0.95 * datagrams || sent.connectionsPerSecond < 0.95 * connections ? ['the strangers sent less than they were asked to: nothing is proved'] : []),
  ...(siege.failed > 0 ? [`${siege.failed} calls failed`] : []),
  ...(siege.p99Ms > 2 * alone.p99Ms ? [`p99 ${siege.p99Ms} ms, alone ${alone.p99Ms} ms`] : []),
  ...(after.heapUsed > before.heapUsed * 1.1 + 2e6 ? ['the heap did not come back'] : []),
  ...((counters.faults ?? 0) > 0 ? [`${counters.faults} messages could not be handled`] : []),
];
await bench.close();
console.log(faults.length === 0 ? 'the siege did no harm' : `harm: ${faults.join('; ')}`);
process.exit(faults.length === 0 ? 0 : 1);
