import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Signalling: 5000 to 9999, a block of it for each process, in steps that leave a program's next ports alone (TLS, RTCP, a second stream). */
const blocks = 25;
const portsPerBlock = 200;
const step = 4;
let block: Promise<number> | null = null;
let taken = 0;

/**
 * A port of loopback that is free for UDP and TCP, for a listener that must be named before it exists; the three after it are nobody else's.
 * Away from the kernel's ephemeral ports, which anybody's connection may get in between.
 */
export async function freePort(): Promise<number> {
  block ??= own(5000, blocks, portsPerBlock).then((first) => first ?? Promise.reject(new Error('no free block of ports was found')));
  for (let tries = 1; tries < portsPerBlock / step; tries += 1) {
    // The first of the block is its lock.
    taken = taken % (portsPerBlock / step - 1) + 1;
    const offset = step * taken;
    const port = await block + offset;
    if (await isFree(port)) return port;
  }
  throw new Error(`every port from ${await block} on is taken`);
}

async function isFree(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  const server = createServer();
  const [udp, tcp] = await Promise.all([
    new Promise<boolean>((resolve) => { socket.once('error', () => resolve(false)).bind(port, '127.0.0.1', () => resolve(true)); }),
    new Promise<boolean>((resolve) => { server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true)); }),
  ]);
  await Promise.all([
    new Promise<void>((resolve) => { socket.close(() => resolve()); }),
    tcp ? new Promise<void>((resolve) => { server.close(() => resolve()); }) : null,
  ]);
  return udp && tcp;
}

const ranges = 22;
const rangesPerProcess = 3;
/** First ports of the ranges this process has for itself, the one used longest ago first. */
const owned: number[] = [];

/**
 * A range of a thousand UDP ports for media, away from the kernel's ephemeral ports. No other process of these tests uses it: a late packet of
 * somebody's call would be a second stream in ours. Services of one process that overlap get different ones, up to three.
 */
export async function mediaPorts(): Promise<string> {
  while (owned.length < rangesPerProcess) {
    const first = await own(10_000, ranges, 1000);
    if (first === null) break;
    owned.push(first);
  }
  const first = owned.shift();
  if (first === undefined) throw new Error('no free range of UDP ports was found');
  owned.push(first);
  return `${first}-${first + 999}`;
}

const programsPerRange = 10;
/** How many programs each range has been used for. */
const programs = new Map<string, number>();

/** Twenty ports towards the end of such a range, for the media of a program beside the service; the same ones again after ten in one range. */
export async function programPorts(): Promise<{ readonly first: number; readonly last: number }> {
  const range = await mediaPorts();
  const before = programs.get(range) ?? 0;
  programs.set(range, (before + 1) % programsPerRange);
  const last = Number(range.split('-')[1]) - 20 * before;
  return { first: last - 19, last };
}

/**
 * The first port of one of `count` blocks of `size` that no other process of these tests has, null when all are had. The TCP port of the same
 * number is the lock; the system takes it back with the process.
 */
async function own(from: number, count: number, size: number): Promise<number | null> {
  const start = Math.floor(Math.random() * count);
  for (let i = 0; i < count; i++) {
    const first = from + size * ((start + i) % count);
    const lock = createServer().unref();
    const locked = await new Promise<boolean>((resolve) => {
      lock.once('error', () => resolve(false));
      lock.listen(first, '127.0.0.1', () => resolve(true));
    });
    if (locked) return first;
  }
  return null;
}

/** Sockets of RTP and RTCP: an even port and the one above (RFC 3550 §11). */
export async function pairOfPorts(): Promise<readonly [Socket, Socket]> {
  for (;;) {
    const pair = [createSocket('udp4'), createSocket('udp4')] as const;
    pair[0].bind(0, '127.0.0.1');
    await once(pair[0], 'listening');
    const { port } = pair[0].address();
    pair[1].bind(port % 2 === 0 ? port + 1 : 0, '127.0.0.1');
    if (await once(pair[1], 'listening').then(() => pair[1].address().port === port + 1, () => false)) return pair;
    for (const socket of pair) socket.close();
  }
}
