// A demonstration on loopback, made of the commands that an operator has: check, run, simulate peer, meta and user.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { inspect } from 'node:util';

const stay = process.argv.includes('--stay');
const dir = '.quickstart';
const certs = join(dir, 'certs');
const cli = 'dist/lib/cli/main.js';
/** One number of each way of keying, as they are set at Meta. */
const numbers = { sdes: '+447700900001', dtls: '+447700900002' };
const user = '+447700900100';
const password = 'demo-password';
const domain = 'sbc.example.net';
const running = [];

function heading(text) {
  console.log(`\n── ${text} ${'─'.repeat(Math.max(0, 76 - text.length))}`);
}

/** Starts a long-running command; gives the object it prints first, and a wait for a later one. */
async function start(...args) {
  const child = spawn(process.execPath, [cli, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  running.push(child);
  const seen = [];
  const waiting = new Set();
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (!line.startsWith('{')) return;
    seen.push(JSON.parse(line));
    for (const look of [...waiting]) look();
  });
  const printed = (wanted) => new Promise((resolve, reject) => {
    const look = () => {
      const found = seen.find(wanted);
      if (found === undefined) return;
      waiting.delete(look);
      resolve(found);
    };
    waiting.add(look);
    child.once('exit', (code) => reject(new Error(`wa-b2bua ${args[0]} stopped (exit status ${code})`)));
    look();
  });
  return { child, printed, ready: await printed((object) => object.ready === true) };
}

function run(...args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (data) => { output += data; });
    child.once('exit', (code) => resolve({ code, output }));
  });
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function main() {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  execFileSync('scripts/certificates', [certs, domain]);
  const peer = await start('simulate', 'peer', '--listen', 'udp:127.0.0.1:0', '--answer', 'echo', '--codecs', 'PCMU');
  const metaPort = await freePort();
  const config = join(dir, 'config.yaml');
  writeFileSync(config, `# Written by scripts/quickstart: everything on loopback.
domain: ${domain}
sip:
  listen: ["tls:127.0.0.1:0", "udp:127.0.0.1:0"]
  tls: { cert: ${certs}/service.pem, key: ${certs}/service.key }
meta: { address: 127.0.0.1, port: ${metaPort}, ca: ${certs}/ca.pem, sources: ["127.0.0.1"] }
media: { rtpengine: { ports: 30000-30999 } }
numbers:
${Object.entries(numbers).map(([keying, number]) => `  "${number}": { password: "${password}", keying: ${keying} }`).join('\n')}
peers:
  pbx: { uri: "${peer.ready.uri}", sources: ["127.0.0.1"], pstn: none, users: ["6[0-9]{3}"], mayCall: ${JSON.stringify(Object.values(numbers))} }
routes:
${Object.entries(numbers).map(([keying, number]) => `  - { name: ${keying}, number: "${number}", to: [{ peer: pbx, user: "6001" }] }`).join('\n')}
http: { listen: "127.0.0.1:0" }
cdr: { file: ${dir}/cdr.jsonl }
log: { level: warn }
`);
  const check = await run('check', '-c', config);
  process.stdout.write(check.output);
  if (check.code !== 0) return false;
  const service = await start('run', '-c', config);
  const [tls, udp] = ['tls', 'udp'].map((transport) => service.ready.listening.find((l) => l.startsWith(`${transport}:`)).slice(4));
  const { http } = service.ready;
  console.log(`The service listens on ${service.ready.listening.join(' and ')}; HTTP on ${http}.`);

  let ok = true;
  for (const [keying, number] of Object.entries(numbers)) {
    // A stand-in of Meta, with the number set as it is here.
    const meta = await start('simulate', 'meta', '--listen', `127.0.0.1:${metaPort}`, '--cert', `${certs}/meta.pem`, '--key', `${certs}/meta.key`,
      '--to', tls, '--ca', `${certs}/ca.pem`, '--number', number, '--password', password, '--hostname', domain, '--keying', keying, '--json');
    ok = await userCalls(keying, number, tls, http) && ok;
    ok = await businessCalls(keying, number, udp, http, meta) && ok;
    if (stay && keying === 'dtls') continue;
    await stop(meta.child);
  }
  console.log(ok ? '\nAudio went both ways in all four calls.' : '\nNot every call worked.');
  if (stay && ok) await linger(config, tls, udp, http);
  return ok;
}

async function userCalls(keying, number, tls, http) {
  heading(`A WhatsApp user calls ${number} (${keying.toUpperCase()}), the PBX echoes`);
  const { output } = await run('simulate', 'user', '--to', tls, '--server-name', domain, '--ca', `${certs}/ca.pem`, '--number', number, '--password', password,
    '--keying', keying, '--seconds', '3', '--json');
  const report = JSON.parse(output);
  await show(report.callId, http);
  console.log(heard('user → PBX → user', report.audio, `about ${report.audio?.oneWayMs ?? '-'} ms one way`));
  for (const { rule, detail } of report.violations) console.log(`Meta's rule broken  ${rule}: ${detail}`);
  return verdict(report.ok, report);
}

async function businessCalls(keying, number, udp, http, meta) {
  heading(`The PBX calls a WhatsApp user as ${number} (${keying.toUpperCase()})`);
  const { output } = await run('simulate', 'peer', '--listen', 'udp:127.0.0.1:0', '--call', `sip:${user}@${udp}`, '--user', number, '--codecs', 'PCMU', '--seconds', '3', '--json');
  const peer = JSON.parse(output);
  if (peer.status !== 200) return verdict(false, peer);
  const report = await meta.printed(({ number: of, endedBy }) => of === number && endedBy !== undefined);
  await show(report.callId, http);
  console.log(heard('PBX → user', report.audio));
  const { received } = peer.media;
  console.log(heard('user → PBX', { toneHeard: peer.toneHeard, packetsReceived: received.packets, packetsLost: received.lost, jitterMs: received.jitterMs }));
  for (const { rule, detail } of report.violations) console.log(`Meta's rule broken  ${rule}: ${detail}`);
  return verdict(peer.ok && report.ok, peer);
}

/** The SIP ladder of a call and its CDR, as Meta's Call-ID names it. */
async function show(callId, http) {
  const cdr = await lastRecord(callId);
  if (cdr === undefined) return console.log('there is no CDR of this call');
  process.stdout.write(await (await fetch(`http://${http}/calls/${cdr.id}/ladder`)).text());
  console.log(`CDR ${inspect(cdr, { depth: 5, compact: 10, breakLength: 200 })}`);
}

function heard(path, audio, more = '') {
  if (audio === undefined) return `${path}: no audio`;
  const { toneHeard, firstToneMs, packetsReceived, packetsLost, jitterMs } = audio;
  const facts = [toneHeard ? 'tone heard' : 'TONE NOT HEARD', firstToneMs === undefined ? '' : `first ${firstToneMs} ms after the answer`,
    `${packetsReceived} packets, ${packetsLost} lost, jitter ${jitterMs} ms`, more];
  return `${path.padEnd(18)}  ${facts.filter(Boolean).join(', ')}`;
}

function verdict(ok, { status, reason }) {
  console.log(ok ? 'Audio went both ways.' : `The call did NOT work: ${status} ${reason}`);
  return ok;
}

async function lastRecord(callId) {
  const deadline = Date.now() + 5000;
  for (;;) {
    const found = readFileSync(join(dir, 'cdr.jsonl'), 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line)).find((r) => r.callIds.meta === callId);
    if (found !== undefined || Date.now() > deadline) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function linger(config, tls, udp, http) {
  heading('Still running; Ctrl-C stops everything');
  console.log(`configuration  ${config}
a user calls   node ${cli} simulate user --to ${tls} --server-name ${domain} --ca ${certs}/ca.pem \\
                 --number ${numbers.dtls} --password ${password} --keying dtls
the PBX calls  node ${cli} simulate peer --listen udp:127.0.0.1:0 --call sip:${user}@${udp} --user ${numbers.dtls}
pages          curl http://${http}/calls   curl http://${http}/metrics`);
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGINT');
  const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
  await exited;
  clearTimeout(timer);
}

async function stopAll() {
  await Promise.all(running.reverse().map(stop));
}

let ok = false;
try {
  ok = await main();
} catch (error) {
  console.error(`quickstart: ${error.message}`);
}
await stopAll();
process.exitCode = ok ? 0 : 1;
