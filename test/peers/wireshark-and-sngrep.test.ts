// A whole call as Wireshark reads its capture, and as sngrep takes it by HEP.
import { execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { maskIds } from '../../lib/observe/redact.js';
import { bytesOf } from '../../lib/util/bytes.js';
import { readHep, type HepPacket } from '../helpers/hep.js';
import { number, password } from '../helpers/service.js';
import { openStage } from '../scenario/harness.js';
import { until } from '../scenario/pbx/steps.js';

const run = promisify(execFile);
const user = '+447700900123';

/** A row a packet, as tshark reads the file. */
async function rowsOf(file: string, fields: readonly string[]): Promise<Record<string, string>[]> {
  const { stdout } = await run('tshark', ['-r', file, '-o', 'sip.tcp.port:5060', '-T', 'fields', '-E', 'separator=|', ...fields.flatMap((name) => ['-e', name])], { maxBuffer: 64 * 1024 * 1024 });
  return stdout.trimEnd().split('\n').map((line) => Object.fromEntries(line.split('|').map((value, i) => [fields[i]!, value])));
}

async function installed(program: string): Promise<boolean> {
  return run('which', [program]).then(() => true, () => false);
}

t.test('the capture of a call: every message of both legs in order, none malformed, no secret, no number', { skip: await installed('tshark') ? false : 'no tshark' }, async (t) => {
  const stage = await openStage();
  t.teardown(() => stage.close());
  const { status } = await stage.call({ from: user, userName: bytesOf('Jörg') }, 300);
  t.equal(status, 200);
  const [cdr] = await stage.running.records(1);
  const page = (what: string): Promise<Response> => fetch(`http://${stage.running.service.http}/calls/${cdr!.id}/${what}`);
  const response = await page('pcap');
  t.equal(response.headers.get('content-type'), 'application/x-pcapng');
  t.match(response.headers.get('content-disposition'), `${cdr!.id}.pcapng`);
  const bytes = Buffer.from(await response.arrayBuffer());
  const file = join(stage.running.dir, 'call.pcapng');
  await writeFile(file, bytes);
  const rows = await rowsOf(file, ['frame.time_epoch', 'sip.Method', 'sip.Status-Code', 'sip.Call-ID', 'frame.comment', '_ws.malformed', 'sdp.media']);
  const [ladder, sip] = [await (await page('ladder')).text(), await (await page('sip')).text()];
  t.match(ladder, /─ BYE \S+ ─+►/);
  t.match(sip, /Jörg/, 'names are readable');
  const messages = sip.split('\n').filter((line) => line.startsWith('#### '));
  t.equal(rows.length, messages.length, 'as many as the page shows');
  t.same(rows.filter((row) => row['_ws.malformed'] !== ''), []);
  const times = rows.map((row) => Number(row['frame.time_epoch']));
  t.same(times, [...times].sort((a, b) => a - b));
  for (const [leg, callId] of Object.entries(cdr!.callIds)) {
    const words = rows.filter((row) => row['sip.Call-ID'] === maskIds(callId!)).map((row) => row['sip.Method'] || row['sip.Status-Code']);
    for (const word of ['INVITE', '200', 'ACK', 'BYE']) t.ok(words.includes(word), `${word} on the leg towards ${leg}`);
  }
  t.equal(rows.filter((row) => /^audio /.test(row['sdp.media'] ?? '')).length, 5, "Meta's INVITE without and with credentials, ours, and the answers");
  t.ok(rows.some((row) => /^from Meta, by TLS/.test(row['frame.comment'] ?? '')));
  const text = bytes.toString('latin1');
  t.notMatch(text, user.slice(5));
  t.notMatch(text, /inline:(?!A{40})/);
  t.notMatch(text, /response="(?!redacted)/);
  t.equal((await page('pcap').then(() => fetch(`http://${stage.running.service.http}/calls/00000000-0000-4000-8000-000000000000/pcap`))).status, 404);
});

t.test('HEP of two calls: both legs of each under one id, SIP and figures; sngrep takes all of it', { skip: await installed('sngrep') && await installed('tshark') ? false : 'no sngrep' }, async (t) => {
  const ours = createSocket('udp4');
  const packets: HepPacket[] = [];
  const probe = createSocket('udp4').bind(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  // One listener sees what sngrep is handed: each packet goes on to it unchanged.
  ours.on('message', (data) => { packets.push(readHep(data)); ours.send(data, port, '127.0.0.1'); });
  ours.bind(0, '127.0.0.1');
  await once(ours, 'listening');
  t.teardown(() => ours.close());
  const stage = await openStage({ overlay: { hep: { server: `udp:127.0.0.1:${ours.address().port}`, id: 77, password: 'hep-secret' } } });
  t.teardown(() => stage.close());
  const file = join(stage.running.dir, 'sngrep.pcap');
  const sngrep = spawn('sngrep', ['-N', '-q', '-L', `udp:127.0.0.1:${port}`, '-O', file], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, TERM: 'xterm' } });
  t.teardown(() => { sngrep.kill('SIGKILL'); });
  await eventually(() => isBound(port), 'sngrep listens');
  for (const from of [user, '+447700900124']) t.equal((await stage.call({ from }, 1300)).status, 200);
  const cdrs = await stage.running.records(2);
  const has = (id: string, kind: number, word: string): number => packets.filter((one) => one.kind === kind && one.correlation === id && one.payload.includes(word)).length;
  await until(() => cdrs.every(({ id }) => has(id, 5, '') >= 2 && has(id, 1, ' BYE\r\n') >= 4), 'the figures and the end of both', 5000);
  for (const { id, callIds } of cdrs) {
    const sip = packets.filter(({ kind, correlation }) => kind === 1 && correlation === id);
    for (const callId of Object.values(callIds)) {
      const leg = sip.filter(({ payload }) => payload.includes(`Call-ID: ${maskIds(callId!)}`));
      for (const word of [/^INVITE /, /^SIP\/2\.0 200 /, /^ACK /, /^BYE /]) t.ok(leg.some(({ payload }) => word.test(payload)), `${word.source} of ${callId}`);
    }
    const figures = packets.filter(({ kind, correlation }) => kind === 5 && correlation === id).map(({ payload }) => JSON.parse(payload) as { sender_information: { packets: number } });
    t.ok(figures.some(({ sender_information: { packets: count } }) => count > 40), `${figures.map((one) => one.sender_information.packets)} packets heard in 1.3 s`);
  }
  t.ok(packets.every(({ chunks }) => chunks.get(12)?.readUInt32BE() === 77 && chunks.get(14)?.toString() === 'hep-secret'));
  const all = packets.map(({ payload }) => payload).join('\n');
  t.notMatch(all, user.slice(5));
  t.notMatch(all, password);
  t.notMatch(all, /inline:(?!A{40})/);
  const wanted = packets.filter(({ kind }) => kind === 1).length;
  // It writes as it goes; the last of it when it ends.
  await eventually(async () => (await stat(file).catch(() => ({ size: 0 }))).size > 0, 'sngrep has written');
  sngrep.kill('SIGINT');
  await once(sngrep, 'exit');
  t.ok((await readFile(file)).length > 1000);
  const rows = (await rowsOf(file, ['sip.Method', 'sip.Status-Code', 'sip.Call-ID', '_ws.malformed'])).filter((row) => row['sip.Call-ID'] !== '');
  t.same(rows.filter((row) => row['_ws.malformed'] !== ''), []);
  const seen = (word: string, callId: string): boolean => rows.some((row) => row['sip.Call-ID'] === maskIds(callId) && (row['sip.Method'] === word || row['sip.Status-Code'] === word));
  for (const { callIds } of cdrs) for (const callId of Object.values(callIds)) for (const word of ['INVITE', '200', 'ACK', 'BYE']) t.ok(seen(word, callId!), `sngrep has ${word} of ${callId}`);
  t.comment(`${wanted} messages by HEP, ${rows.length} in sngrep's file; number ${number}`);
});

/** Whether somebody has this UDP port on loopback. */
async function isBound(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    socket.bind(port, '127.0.0.1');
    await Promise.race([once(socket, 'listening'), once(socket, 'error').then(([error]) => { throw error as Error; })]);
    return false;
  } catch {
    return true;
  } finally {
    socket.close();
  }
}

async function eventually(test: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!await test()) {
    if (performance.now() > deadline) throw new Error(`waited 10 s in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
