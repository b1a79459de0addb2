// A whole service without media, senders at addresses of every class, and what is left of what they sent.
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as tlsConnect } from 'node:tls';
import type { Test } from 'tap';
import { parseConfig } from '../../../lib/config/load.js';
import { startService, type Service } from '../../../lib/app/compose.js';
import { createLogger } from '../../../lib/observe/logger.js';
import { FakeMedia } from '../../fakes/media.js';
import { domain, number, writeConfig } from '../../helpers/service.js';

export const places = { meta: '127.0.0.2', pbx: '127.0.0.3', phone: '127.0.0.4', stranger: '127.0.0.9' } as const;
export type Place = keyof typeof places;
export type Transport = 'udp' | 'tcp' | 'tls';
export const crlf = '\r\n';
export const sdp = ['v=0', 'o=- 1 1 IN IP4 127.0.0.3', 's=-', 'c=IN IP4 127.0.0.3', 't=0 0', 'm=audio 40100 RTP/AVP 0 101', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:101 telephone-event/8000', 'a=sendrecv', ''].join(crlf);
export const secureSdp = ['v=0', 'o=- 1 1 IN IP4 127.0.0.2', 's=-', 'c=IN IP4 127.0.0.2', 't=0 0', 'm=audio 40200 RTP/SAVP 111 126', 'a=rtpmap:111 opus/48000/2', 'a=rtpmap:126 telephone-event/8000',
  'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5', 'a=ptime:20', ''].join(crlf);

/** A way to send from one address over one transport; a connection that the service closed is opened again. */
export class Sender {
  #udp: UdpSocket | null = null;
  #stream: Socket | null = null;
  constructor(readonly from: Place, readonly transport: Transport, readonly to: { host: string; port: number }) {}

  async send(text: string): Promise<void> {
    if (this.transport === 'udp') {
      if (this.#udp === null) {
        this.#udp = createSocket('udp4').bind(0, places[this.from]);
        this.#udp.on('error', () => undefined);
        await once(this.#udp, 'listening');
      }
      this.#udp.send(Buffer.from(text.slice(0, 60_000), 'latin1'), this.to.port, this.to.host, () => undefined);
      return;
    }
    if (this.#stream === null || this.#stream.destroyed || this.#stream.writableEnded) {
      const raw = connect({ ...this.to, localAddress: places[this.from] });
      raw.on('error', () => undefined);
      const stream = this.#stream = this.transport === 'tls' ? tlsConnect({ socket: raw, servername: domain, rejectUnauthorized: false }) : raw;
      stream.on('error', () => undefined);
      stream.resume();
      await first(stream, this.transport === 'tls' ? 'secureConnect' : 'connect');
    }
    if (!this.#stream.write(text, 'latin1')) await first(this.#stream, 'drain');
  }

  close(): void {
    this.#udp?.close();
    this.#udp = null;
    this.#stream?.destroy();
  }
}

/** Resolves with this event, or the stream's end, after a second at the latest: the service need not read what it does not want. */
async function first(stream: Socket, event: string): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      stream.off(event, done).off('close', done);
      resolve();
    };
    const timer = setTimeout(done, 1000);
    stream.once(event, done).once('close', done);
    if (stream.destroyed) done();
  });
}

/** Everything that the service still holds of what came, by the name of its counter. */
async function held(running: Service): Promise<Record<string, number>> {
  const text = await (await fetch(`http://${running.http ?? ''}/metrics`)).text();
  const counters = new Map([...text.matchAll(/^wab_sipserver_(?:events_total|in_use)\{\w+="(\w+)"\} (\d+)/gm)].map(([, name, value]) => [name, Number(value)]));
  const names = ['serverTransactions', 'clientTransactions', 'dialogs', 'requestsIn', 'requestsOut', 'faults'];
  return { calls: running.table.size, ...Object.fromEntries(names.map((name) => [name, counters.get(name) ?? -1])) };
}

export interface Rig { running: Service; log: string[]; certificates: { metaKey: string; metaCert: string }; metaPort: number; pbxPort: number }

export async function open(t: Test, pbxTransport: 'udp' | 'tcp'): Promise<Rig> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-mutations-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const [metaPort, pbxPort] = [await freeAt(places.meta), await freeAt(places.pbx)];
  const { text, certificates } = await writeConfig(dir, {
    metaPort, peers: { pbx: { port: pbxPort } },
    overlay: {
      meta: { address: places.meta, sources: [`${places.meta}/32`], challenge: [], ringTimeout: 5 },
      peers: {
        pbx: { uri: `sip:${places.pbx}:${pbxPort};transport=${pbxTransport}`, sources: [`${places.pbx}/32`], mayCall: [number], maxConcurrentCalls: 10_000 },
        phones: { register: true, pstn: 'none', accounts: { 6101: { password: 'never shown' } }, health: { interval: 0 }, mayCall: [number] },
      },
      routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }], ringTimeout: 3 }],
      sip: { limits: { messagesPerSecond: 1_000_000 } }, limits: { ban: { after: 0 } }, log: { level: 'error' },
    },
  });
  const log: string[] = [];
  const running = await startService(parseConfig(text, { env: {}, path: 'test' }), createLogger('error', { write: (line: string) => { log.push(line); } }), { media: new FakeMedia() });
  t.teardown(() => running.close());
  return { running, log, certificates, metaPort, pbxPort };
}

async function freeAt(address: string): Promise<number> {
  const probe = createServer().listen(0, address);
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

/** Nothing that a message began is left, at the latest when the longest timer has run; none was a fault of ours. */
export async function nothingLeft(t: Test, { running, log }: Rig): Promise<void> {
  const clean = (now: Record<string, number>): boolean => Object.values(now).every((n) => n === 0);
  const deadline = Date.now() + 75_000;
  let now = await held(running);
  while (!clean(now) && Date.now() < deadline) {
    await sleep(500);
    now = await held(running);
  }
  t.same(now, { calls: 0, serverTransactions: 0, clientTransactions: 0, dialogs: 0, requestsIn: 0, requestsOut: 0, faults: 0 }, 'nothing is left of them, and nothing could not be handled');
  const own = log.filter((line) => /could not be handled|TypeError|RangeError|Cannot read/.test(line));
  t.same(own.slice(0, 3), [], 'no error of our own in the log');
}

export async function alive(t: Test, { running }: Rig): Promise<void> {
  t.equal((await fetch(`http://${running.http ?? ''}/health`)).status, 200, 'the service answers');
}
