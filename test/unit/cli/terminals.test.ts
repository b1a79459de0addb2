// What others have written is printed so that a terminal does nothing but print it, as text and as JSON.
import t, { type Test } from 'tap';
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createProgram } from '../../../lib/cli/program.js';
import { runnable } from '../../helpers/runnable.js';

const number = '+447700900001';
const hostile = 'Fine\u001b]0;owned\u0007\u009b31m\u202etxt';

function file(t: Test, peer: number, more: object = {}): string {
  const path = join(t.testdir(), 'c.yaml');
  writeFileSync(path, stringify({
    domain: 'sbc.example.net', sip: { listen: ['udp:127.0.0.1:0'] }, http: { listen: null }, cdr: { file: null }, meta: { address: '127.0.0.1', port: 9 }, numbers: { [number]: { password: 'p', id: '100000000000001' } },
    peers: { pbx: { uri: `sip:127.0.0.1:${peer}`, pstn: 'none', users: ['6001'], sources: ['127.0.0.1'] } }, routes: [{ name: 'all', number, to: [{ peer: 'pbx', user: '6001' }] }], ...more,
  }));
  return path;
}

async function run(...args: string[]): Promise<string> {
  const write = process.stdout.write.bind(process.stdout);
  const said: string[] = [];
  process.stdout.write = (text: string | Uint8Array) => said.push(String(text)) > 0;
  try {
    await (await createProgram({ standIns: false })).parseAsync(args, { from: 'user' });
    return said.join('');
  } finally {
    process.stdout.write = write;
    process.exitCode = 0;
  }
}

const moves = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/;

t.test('doctor: the words of a peer', async (t) => {
  const socket = createSocket('udp4', (message, from) => {
    const head = message.toString().split('\r\n').filter((line) => /^(?:Via|From|To|Call-ID|CSeq):/.test(line));
    socket.send(`SIP/2.0 200 ${hostile}\r\n${head.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  const path = file(t, socket.address().port);
  const text = await run('doctor', '-c', path);
  t.match(text, /answers OPTIONS with 200 Fine\\x1b\]0;owned/);
  t.notMatch(text, moves);
  const json = await run('doctor', '-c', path, '--json');
  t.notMatch(json, moves);
  t.ok((JSON.parse(json) as { text: string }[]).some((one) => one.text.includes('Fine\u001b]0;owned')), 'as it was written');
});

t.test('permission: the words of Graph, as JSON', async (t) => {
  const server = createServer((_request, response) => { response.setHeader('content-type', 'application/json').end(JSON.stringify({ permission: { status: hostile }, actions: [] })); });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => server.close());
  const path = file(t, 5060, { graph: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: 'EAAtoken' } });
  const json = await run('permission', 'show', '-c', path, '--number', number, '--user', '+447700900101', '--json');
  t.notMatch(json, moves);
  t.match(JSON.parse(json), { ok: false, told: { status: hostile.toLowerCase() } });
});

t.test('an error: the words in it', (t) => {
  const { status, stderr } = spawnSync(process.execPath, ['--import=./test/helpers/loader.js', runnable('lib/cli/main.ts'), 'records', '-c', join(t.testdir(), `${hostile.replace('/', '')}.yaml`)], { encoding: 'utf8' });
  t.equal(status, 1);
  t.match(stderr, /Fine\\x1b\]0;owned/);
  t.notMatch(stderr, moves);
  t.end();
});
