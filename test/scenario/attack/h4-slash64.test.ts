// H4: of IPv6 a /64 counts as one address, as whoever has one address there has them all. In a network namespace of its own, where such addresses may be made.
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { startSipServer } from '../../../lib/sipserver/index.js';
import { placeOf } from '../../../lib/util/place.js';
import { pause } from '../harness.js';
import { request } from '../../helpers/stranger.js';
import { nodeOptions } from '../../helpers/runnable.js';

const server = '2001:db8:0:1::1';
const greedy = Array.from({ length: 10 }, (_, i) => `2001:db8:0:2:${i}::${i + 1}`);
const other = '2001:db8:0:3::1';

/** What the far ends saw, on one line of standard output. */
interface Seen { readonly answers: number; readonly othersAnswers: number; readonly connections: number; readonly othersConnections: number }

async function inside(): Promise<Seen> {
  const sip = await startSipServer({
    listen: [`udp:[${server}]:0`, `tcp:[${server}]:0`], admin: { host: '127.0.0.1', port: 0, secret: 's' },
    sources: { known: [], guests: ['::/0'] }, limits: { strangers: { messagesPerSecond: 5, connectionsPerAddress: 3 } },
  });
  const [udp = 0, tcp = 0] = sip.listening.map((spec) => Number(/:(\d+)$/.exec(spec)?.[1]));
  const asked = async (addresses: readonly string[]): Promise<number> => {
    let answers = 0;
    const sockets = await Promise.all(addresses.map(async (address) => {
      const socket = createSocket('udp6').on('message', () => { answers++; }).bind(0, address);
      await once(socket, 'listening');
      return socket;
    }));
    // All at once: four may come so at five a second.
    for (let i = 0; i < 30; i++) sockets[i % sockets.length]?.send(request('OPTIONS', { from: `[${addresses[i % addresses.length]}]` }), udp, server);
    await pause(700);
    for (const socket of sockets) socket.close();
    return answers;
  };
  const connected = async (addresses: readonly string[]): Promise<Socket[]> => {
    const sockets = addresses.map((localAddress) => connect({ port: tcp, host: server, localAddress }).on('error', () => { /* refused */ }));
    await pause(500);
    return sockets.filter((socket) => !socket.destroyed && socket.readable);
  };
  const answers = await asked(greedy);
  const held = await connected(greedy);
  const others = await connected([other]);
  const seen = { answers, othersAnswers: await asked([other]), connections: held.length, othersConnections: others.length };
  for (const socket of [...held, ...others]) socket.destroy();
  await sip.close();
  return seen;
}

/** Runs a program in a new network namespace with those addresses, and gives what it wrote. */
async function isolated(...program: readonly string[]): Promise<string> {
  const set = ['ip link set lo up', ...[server, ...greedy, other].map((address) => `ip -6 addr add ${address}/128 dev lo nodad`), 'exec "$@"'].join(' && ');
  return (await promisify(execFile)('unshare', ['-rn', 'sh', '-c', set, 'sh', ...program], { timeout: 40_000 })).stdout;
}

if (process.argv[2] === 'inside') {
  process.stdout.write(`SEEN ${JSON.stringify(await inside())}\n`);
  process.exit(0);
}

const skip = await isolated('true').then(() => false, () => 'needs unshare, ip and IPv6');

t.test('ten addresses of one /64 have the budget of one', { skip, timeout: 60_000 }, async (t) => {
  const written = await isolated(process.execPath, ...nodeOptions, fileURLToPath(import.meta.url), 'inside');
  t.same(JSON.parse(/^SEEN (.*)$/m.exec(written)?.[1] ?? 'null'), { answers: 4, othersAnswers: 4, connections: 3, othersConnections: 1 });
});

t.test('every spelling of an address of one /64 is the same place', (t) => {
  for (const same of ['2001:db8:0:2::1', '2001:db8:0:2:ffff:ffff:ffff:ffff', '2001:0db8:0000:0002::', '2001:db8::2:0:0:0:5', '2001:DB8:0:2:1::']) {
    t.equal(placeOf(same), placeOf('2001:db8:0:2::9'), same);
  }
  for (const apart of ['2001:db8:0:3::1', '2001:db8::1', '::1', '192.0.2.1']) {
    t.not(placeOf(apart), placeOf('2001:db8:0:2::9'), apart);
  }
  t.not(placeOf('192.0.2.1'), placeOf('192.0.2.2'), 'each IPv4 address is its own');
  t.end();
});
