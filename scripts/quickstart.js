// A demonstration on loopback, made of the commands that an operator has: check, run, simulate peer, simulate user.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const stay = process.argv.includes('--stay');
const dir = '.quickstart';
const certs = join(dir, 'certs');
const cli = 'dist/lib/cli/main.js';
const number = '+447700900001';
const password = 'demo-password';
const domain = 'sbc.example.net';
const running = [];

function heading(text) {
  console.log(`\n── ${text} ${'─'.repeat(Math.max(0, 76 - text.length))}`);
}

/** Starts a long-running command and gives the object it prints first. */
async function start(...args) {
  const child = spawn(process.execPath, [cli, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  running.push(child);
  const lines = createInterface({ input: child.stdout });
  const ready = new Promise((resolve, reject) => {
    lines.on('line', (line) => {
      if (line.includes('"ready":true')) resolve(JSON.parse(line));
    });
    child.once('exit', (code) => reject(new Error(`wa-b2bua ${args[0]} stopped at once (exit status ${code})`)));
  });
  return { child, ready: await ready };
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
  "${number}": { password: "${password}", keying: sdes }
peers:
  pbx: { uri: "${peer.ready.uri}", sources: ["127.0.0.1"], pstn: none, users: ["6[0-9]{3}"] }
routes:
  - { name: everyone, number: "${number}", to: [{ peer: pbx, user: "6001" }] }
http: { listen: "127.0.0.1:0" }
cdr: { file: ${dir}/cdr.jsonl }
log: { level: warn }
`);
  const check = await run('check', '-c', config);
  process.stdout.write(check.output);
  if (check.code !== 0) return false;
  const service = await start('run', '-c', config);
  const tls = service.ready.listening.find((l) => l.startsWith('tls:')).slice(4);
  console.log(`The service listens on ${service.ready.listening.join(' and ')}; HTTP on ${service.ready.http}.`);

  const ok = await call('sdes', tls, metaPort, service.ready.http);
  if (stay && ok) await linger(config, tls, metaPort, service.ready.http);
  return ok;
}

async function call(keying, tls, metaPort, http) {
  heading(`A WhatsApp user calls ${number} (${keying.toUpperCase()}) and talks for four seconds`);
  const { output } = await run('simulate', 'user', '--to', tls, '--server-name', domain, '--ca', `${certs}/ca.pem`, '--number', number, '--password', password,
    '--keying', keying, '--listen', `127.0.0.1:${metaPort}`, '--cert', `${certs}/meta.pem`, '--key', `${certs}/meta.key`, '--seconds', '4', '--json');
  const report = JSON.parse(output);
  const cdr = await lastRecord(report.callId);
  if (cdr !== undefined) {
    const ladder = await fetch(`http://${http}/calls/${cdr.id}/ladder`);
    process.stdout.write(await ladder.text());
  }
  heading('What was heard');
  if (report.audio === undefined) console.log(`no audio: the call ended with ${report.status} ${report.reason}`);
  else {
    const { audio } = report;
    console.log(`user → echo extension → user   ${audio.toneHeard ? 'tone heard both ways' : 'TONE NOT HEARD'}, first ${audio.firstToneMs ?? '-'} ms after the answer`);
    console.log(`packets                        ${audio.packetsSent} sent, ${audio.packetsReceived} received, ${audio.packetsLost} lost, jitter ${audio.jitterMs} ms`);
    console.log(`one-way delay                  about ${audio.oneWayMs ?? '-'} ms (half of there and back)`);
  }
  for (const { rule, detail } of report.violations) console.log(`Meta's rule broken             ${rule}: ${detail}`);
  heading('The CDR');
  console.log(JSON.stringify(cdr, null, 2));
  console.log(report.ok ? '\nAudio went both ways.' : '\nThe call did NOT work.');
  return report.ok;
}

async function lastRecord(callId) {
  const deadline = Date.now() + 5000;
  for (;;) {
    const found = readFileSync(join(dir, 'cdr.jsonl'), 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line)).find((r) => r.callIds.meta === callId);
    if (found !== undefined || Date.now() > deadline) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function linger(config, tls, metaPort, http) {
  heading('Still running; Ctrl-C stops everything');
  console.log(`configuration  ${config}
another call   node ${cli} simulate user --to ${tls} --server-name ${domain} --ca ${certs}/ca.pem \\
                 --number ${number} --password ${password} --listen 127.0.0.1:${metaPort} \\
                 --cert ${certs}/meta.pem --key ${certs}/meta.key
what it would do  node ${cli} route -c ${config} --number ${number} --from +447700900101
pages          curl http://${http}/calls   curl http://${http}/metrics`);
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
}

async function stopAll() {
  await Promise.all(running.reverse().map(async (child) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGINT');
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
    await exited;
    clearTimeout(timer);
  }));
}

let ok = false;
try {
  ok = await main();
} catch (error) {
  console.error(`quickstart: ${error.message}`);
}
await stopAll();
process.exitCode = ok ? 0 : 1;
