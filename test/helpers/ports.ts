import { createServer, type AddressInfo } from 'node:net';

/** A free TCP port on loopback, for a listener that must be named before it exists. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
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
    const first = await ownRange();
    if (first === null) break;
    owned.push(first);
  }
  const first = owned.shift();
  if (first === undefined) throw new Error('no free range of UDP ports was found');
  owned.push(first);
  return `${first}-${first + 999}`;
}

/** Twenty ports at the end of such a range, for the media of a program beside the service. */
export async function programPorts(): Promise<{ readonly first: number; readonly last: number }> {
  const last = Number((await mediaPorts()).split('-')[1]);
  return { first: last - 19, last };
}

/** The TCP port of the same number is the lock; the system takes it back with the process. */
async function ownRange(): Promise<number | null> {
  const start = Math.floor(Math.random() * ranges);
  for (let i = 0; i < ranges; i++) {
    const first = 10_000 + 1000 * ((start + i) % ranges);
    const lock = createServer().unref();
    const taken = await new Promise<boolean>((resolve) => {
      lock.once('error', () => resolve(false));
      lock.listen(first, '127.0.0.1', () => resolve(true));
    });
    if (taken) return first;
  }
  return null;
}
