import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import t from 'tap';
import { stringify } from 'yaml';
import { parseConfig } from '../../lib/config/load.js';
import { examine } from '../../lib/doctor/index.js';
import { missing } from '../helpers/engines.js';
import { domain, number, password } from '../helpers/service.js';
import { openStage } from './harness.js';

t.test('the doctor at the bedside of a running service: nothing fails but the name that is no real one', { skip: missing('rtpengine') }, async (t) => {
  const stage = await openStage({ media: 'rtpengine' });
  t.teardown(() => stage.close());
  const { service, certificates, dir, log } = stage.running;
  const engine = log.map((line) => JSON.parse(line) as { msg: string; engine?: string }).find(({ msg }) => msg === 'rtpengine runs')!.engine!;
  // Somebody whose certificate is in order, for Meta.
  const somebody = createServer({ cert: readFileSync(certificates.cert), key: readFileSync(certificates.key) }, (socket) => { socket.on('error', () => undefined).resume(); }).listen(0, '127.0.0.1');
  await once(somebody, 'listening');
  t.teardown(() => somebody.close());
  const config = parseConfig(stringify({
    domain,
    sip: { listen: service.listening, tls: { cert: certificates.cert, key: certificates.key } },
    meta: { host: domain, port: (somebody.address() as AddressInfo).port, ca: certificates.ca, address: '127.0.0.1' },
    media: { engine: 'rtpengine', rtpengine: { spawn: false, control: [engine] } },
    numbers: { [number]: { password } },
    peers: { pbx: { uri: stage.peers.pbx!.uri, pstn: 'none', users: ['6001'] } },
    http: { listen: service.http }, cdr: { file: `${dir}/cdr.jsonl` },
  }), { env: {}, path: 'test' });
  const findings = await examine(config);
  const of = (check: string): string[] => findings.filter((f) => f.check === check).map((f) => `${f.level} ${f.text}`);
  t.match(of('certificate'), [/^ok/, /^ok/, /^ok/, /^ok/]);
  t.match(of('dns'), [/^fail sbc\.example\.net does not resolve/]);
  t.match(of('meta'), [/^ok TLS to sbc\.example\.net:\d+ is up/]);
  t.match(of('listen'), [/^warn tls:.* is in use/, /^warn udp:.* is in use/, /^warn tcp:.* is in use/, /^warn tcp:.* is in use/]);
  t.same(of('rtpengine'), [`ok ${engine} answers`]);
  t.match(of('peer'), [/^ok pbx: udp:127\.0\.0\.1:\d+ answers OPTIONS with 200/]);
  t.match(of('file'), [/^ok cdr\.file/]);
  t.equal((await stage.call({}, 500)).status, 200, 'and the patient has not noticed');
});
