import { createSocket } from 'node:dgram';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { loadConfig } from '../../../lib/config/load.js';
import type { WabError } from '../../../lib/errors.js';
import { startService } from '../../../lib/app/compose.js';
import { RelayPool } from '../../../lib/media/relay/relayPool.js';
import { createLogger } from '../../../lib/observe/logger.js';
import { makeCertificates } from '../../helpers/certificates.js';
import { Command } from '../../helpers/command.js';
import { domain, freePort, mediaPorts, metaHost, number, password } from '../../helpers/service.js';

/** An address of TEST-NET-1 (RFC 5737), which this machine does not have. */
const foreign = '192.0.2.1';

/** A configuration that cannot start. */
async function write(t: Test, listen: string[], more: { sip?: object; http?: object; anchor?: string } = {}): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-start-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const { cert, key } = await makeCertificates(join(dir, 'certs'), { domain, metaHost });
  const file = join(dir, 'wa-b2bua.yaml');
  await writeFile(file, stringify({
    domain, sip: { listen, tls: { cert, key }, ...more.sip }, media: { engine: 'rtpengine', rtpengine: { ports: await mediaPorts(), anchor: more.anchor ?? foreign } },
    numbers: { [number]: { password } }, http: more.http ?? { listen: null }, cdr: { file: null },
  }));
  return file;
}

/** What the start of such a service fails with; a rejection that nobody handles would fail the test. */
async function fault(...args: Parameters<typeof write>): Promise<{ code: string; message: string }> {
  const service = await startService(loadConfig(await write(...args), {}), createLogger('silent')).catch((error: unknown) => error as WabError);
  if ('close' in service) {
    await service.close();
    throw new Error('it started');
  }
  return { code: service.code, message: service.message };
}

async function busyTcp(t: Test): Promise<number> {
  const port = await freePort();
  const server = createServer();
  await new Promise<void>((resolve) => { server.listen(port, '127.0.0.1', resolve); });
  t.teardown(() => new Promise<void>((resolve) => { server.close(() => resolve()); }));
  return port;
}

async function busyUdp(t: Test): Promise<number> {
  const port = await freePort();
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => { socket.bind(port, '127.0.0.1', resolve); });
  t.teardown(() => new Promise<void>((resolve) => { socket.close(() => resolve()); }));
  return port;
}

t.test('C8: a busy sip.listen with a wrong media.rtpengine.anchor is one line with code and key', async (t) => {
  const listen = `tcp:127.0.0.1:${await busyTcp(t)}`;
  const command = new Command('run', '-c', await write(t, ['udp:127.0.0.1:0', listen]));
  t.teardown(() => command.stop());
  t.equal(await command.exit, 1);
  t.same(command.err, [`wa-b2bua: PORT_IN_USE: a listening address is already in use: sip.listen[1]: ${listen}`]);
});

t.test('C8: the same on TLS, on UDP and from the thread of the SIP server', async (t) => {
  const tls = `tls:127.0.0.1:${await busyTcp(t)}`;
  const udp = `udp:127.0.0.1:${await busyUdp(t)}`;
  for (const [listen, sip] of [[tls, {}], [udp, {}], [udp, { thread: true }]] as const) {
    t.same(await fault(t, ['udp:127.0.0.1:0', listen], { sip }), { code: 'PORT_IN_USE', message: `a listening address is already in use: sip.listen[1]: ${listen}` }, listen);
  }
});

t.test('C8: an address that is not ours, a busy http.listen, and a wrong anchor alone are told the same way', async (t) => {
  const listen = `udp:${foreign}:0`;
  t.same(await fault(t, [listen]), { code: 'ADDRESS_UNUSABLE', message: `a listening address cannot be opened: sip.listen[0]: ${listen} is no address of this machine` });
  const http = `127.0.0.1:${await busyTcp(t)}`;
  t.same(await fault(t, ['udp:127.0.0.1:0'], { http: { listen: http }, anchor: '127.0.0.1' }), { code: 'PORT_IN_USE', message: `a listening address is already in use: http.listen: ${http}` });
  t.match(await fault(t, ['udp:127.0.0.1:0']), { code: 'MEDIA_UNAVAILABLE', message: /media\.rtpengine\.anchor: .*192\.0\.2\.1/ });
});

t.test('C8: a pool of relays that was made and never started starts nothing, and ends', async (t) => {
  const told: object[] = [];
  const quiet = (): void => { /* nothing */ };
  const pool = new RelayPool({ address: foreign, workers: 2, lateMs: 250, key: 'media.rtpengine.anchor' }, { debug: quiet, info: quiet, warn: quiet, error: (fields: object) => { told.push(fields); } });
  await new Promise((resolve) => { setTimeout(resolve, 300); });
  t.same(told, []);
  t.notOk(pool.healthy);
  await pool.close();
});
