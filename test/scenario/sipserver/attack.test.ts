// Connections that do nothing, drip, or come by the thousand, while calls go on over TLS. ATTACK_SECONDS=30 for figures worth quoting.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setPriority } from 'node:os';
import Srf from 'drachtio-srf';
import t from 'tap';
import { parseMessage } from '../../../lib/sipserver/parser/index.js';
import { Transports } from '../../../lib/sipserver/transport/index.js';
import type { Flow } from '../../../lib/sipserver/transport/index.js';
import { makeCertificates } from '../../unit/sipserver/certificates.js';
import { follow, request } from './harness.js';
import type { TestSrf } from './harness.js';
import { serverProcess } from './server-process.js';

const SECONDS = Number(process.env['ATTACK_SECONDS'] ?? 5);
const RATE = 40;
const SDP = 'v=0\r\n';

const certificates = makeCertificates();
t.teardown(() => { certificates.remove(); });
const identity = certificates.issue('pbx', 'pbx.example.net');

/** 500 connections that send nothing, 500 over TLS that send a byte a second, and 10,000 connects a minute, every other one with a handshake. */
const ATTACK = `
const net = require('node:net'), tls = require('node:tls'), port = Number(process.argv[1]);
const to = (n) => ({ port, host: '127.0.0.1', localAddress: '127.0.1.' + (1 + n % 200), rejectUnauthorized: false });
const open = (connect, n, ready) => { const s = connect(to(n), ready); s.on('error', () => {}); return s; };
for (let n = 0; n < 500; n++) open(net.connect, n);
for (let n = 0; n < 500; n++) {
  let at = 0;
  const s = open(tls.connect, n, () => { const drip = setInterval(() => { if (s.writable) s.write('OPTIONS sip:a@b SIP/2.0'[at++ % 22]); }, 1000); s.on('close', () => clearInterval(drip)); });
}
let n = 0, done = 0;
const began = Date.now();
setInterval(() => {
  for (const due = (Date.now() - began) / 6; n < due; n++) { const s = open(n % 2 ? tls.connect : net.connect, n, () => { done++; s.destroy(); }); }
}, 20);
setTimeout(() => process.stdout.write('on\\n'), 1500);
process.on('SIGTERM', () => { process.stdout.write(JSON.stringify({ connects: n, done, seconds: (Date.now() - began) / 1000 }) + '\\n', () => process.exit(0)); });
`;

interface Load { calls: number; answered: number; p50: number; p99: number; fresh: number }

/** Calls at a steady rate from INVITE to BYE for so many seconds; every tenth on a connection of its own, whose handshake counts. */
async function load(port: number, seconds: number): Promise<Load> {
  const started = new Map<string, { at: number; invite: ReturnType<typeof request>; fresh: Transports | undefined; answered: boolean }>();
  const times: number[] = [];
  const fresh: number[] = [];
  const handlers = {
    message(bytes: Buffer, flow: Flow): void {
      const { message } = parseMessage(bytes);
      const id = message?.get('call-id') ?? '';
      const call = started.get(id);
      if (message === undefined || call === undefined || message.status !== 200) return;
      if (message.get('cseq') === '1 INVITE') {
        flow.send(follow('ACK', call.invite, message).toString());
        if (call.answered) return;
        call.answered = true;
        (call.fresh === undefined ? times : fresh).push(performance.now() - call.at);
        flow.send(follow('BYE', call.invite, message, 2).toString());
      } else {
        started.delete(id);
        void call.fresh?.close();
      }
    },
  };
  const dial = (transports: Transports): Promise<Flow> => transports.connect({ protocol: 'tls', address: '127.0.0.1', port, host: 'pbx.example.net', ca: certificates.ca });
  const steady = new Transports({ handlers });
  const line = await dial(steady);
  const place = async (n: number): Promise<void> => {
    const own = n % 10 === 0 ? new Transports({ handlers }) : undefined;
    const at = performance.now();
    const flow = own === undefined ? line : await dial(own);
    const invite = request('INVITE', 'sip:a@pbx.example.net', flow, {}, SDP);
    started.set(invite.get('call-id') ?? '', { at, invite, fresh: own, answered: false });
    flow.send(invite.toString());
  };
  const began = performance.now();
  let calls = 0;
  const placing: Promise<void>[] = [];
  while (calls < RATE * seconds) {
    for (const due = (performance.now() - began) * RATE / 1000; calls < due; calls++) placing.push(place(calls));
    await new Promise((resolve) => { setTimeout(resolve, 5); });
  }
  await Promise.all(placing);
  const deadline = Date.now() + 10_000;
  while (started.size > 0 && Date.now() < deadline) await new Promise((resolve) => { setTimeout(resolve, 10); });
  await steady.close();
  for (const { fresh: own } of started.values()) await own?.close();
  times.sort((a, b) => a - b);
  fresh.sort((a, b) => a - b);
  const at = (list: number[], share: number): number => Math.round(10 * (list[Math.floor(list.length * share)] ?? Infinity)) / 10;
  return { calls, answered: times.length + fresh.length, p50: at(times, 0.5), p99: at(times, 0.99), fresh: at(fresh, 0.99) };
}

t.test('calls go on under an attack', { timeout: 60_000 + 3000 * SECONDS }, async (t) => {
  const server = await serverProcess(t, '--listen', 'tls:127.0.0.1:0', '--admin', '127.0.0.1:0', '--secret', 'cymru', '--cert', identity.cert, '--key', identity.key);
  const srf = new Srf() as unknown as TestSrf;
  srf.on('error', () => { /* the server ends first */ });
  t.teardown(() => { srf.disconnect(); });
  const connected = once(srf, 'connect');
  srf.connect({ ...server.admin, secret: 'cymru' });
  await connected;
  srf.invite((req, res) => { srf.createUAS(req, res, { localSdp: SDP }).catch(() => { /* counted as not answered */ }); });
  const port = server.port('tls');
  await load(port, 2);
  const before = await load(port, SECONDS);
  const attacker = spawn(process.execPath, ['-e', ATTACK, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => { attacker.kill('SIGKILL'); });
  // It stands for other people's machines: what it computes is not to come out of our two cores first.
  if (attacker.pid !== undefined) setPriority(attacker.pid, 10);
  await once(attacker.stdout, 'data');
  const meanwhile = await load(port, SECONDS);
  const memory = await server.memory();
  attacker.kill('SIGTERM');
  const [told] = await once(attacker.stdout, 'data') as [Buffer];
  t.comment(JSON.stringify({ before, meanwhile, memory, attack: JSON.parse(told.toString()) as unknown }));
  t.equal(before.answered, before.calls);
  t.equal(meanwhile.answered, meanwhile.calls, 'every call is answered, also those on new connections');
  // The attacker computes on the same cores, besides whatever else runs there: a server that stalls takes seconds.
  t.ok(meanwhile.p99 <= 2 * before.p99 + 300, `p99 ${meanwhile.p99} ms, ${before.p99} ms before`);
  t.ok(memory < 300_000, `${memory} kB`);
});
