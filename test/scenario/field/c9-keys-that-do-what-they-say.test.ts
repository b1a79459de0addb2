import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { CallRecord } from '../../../lib/call/record.js';
import { tellLedger } from '../../../lib/call/permission.js';
import { PermissionLedger } from '../../../lib/graph/permission/ledger.js';
import { maskLine } from '../../../lib/observe/redact.js';
import { Remembered } from '../../../lib/state/index.js';
import { startMeta, startPeer, MetaSide } from '../../../lib/simulator/index.js';
import { runProcess } from '../../helpers/process.js';
import { domain, freePort, number, password, writeConfig } from '../../helpers/service.js';
import { pause } from '../harness.js';

const user = '+447700900177';

for (const fullNumbers of [false, true]) {
  t.test(`C9: log.fullNumbers: ${fullNumbers}: users in the log`, async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'wab-c9-'));
    t.teardown(() => rm(dir, { recursive: true, force: true }));
    const peer = await startPeer({ media: 'none' });
    t.teardown(() => peer.close());
    const metaPort = await freePort();
    const { text, certificates } = await writeConfig(dir, { metaPort, peers: { pbx: { port: peer.port, mayCall: [number] } }, overlay: { log: { level: 'debug', fullNumbers } } });
    await writeFile(join(dir, 'c.yaml'), text);
    const side = await MetaSide.open({ listen: `127.0.0.1:${metaPort}`, cert: certificates.metaCert, key: certificates.metaKey });
    t.teardown(() => side.close());
    const meta = await startMeta({ side, numbers: [{ number, password, hostname: domain }], byeVia: 'same', media: 'none', behaviour: 'uriMismatch' });
    t.teardown(() => meta.close());
    const service = await runProcess(join(dir, 'c.yaml'));
    t.teardown(() => service.end('SIGKILL'));
    const call = await peer.call(`sip:${user}@127.0.0.1:${service.port('udp')}`, { from: `<sip:${number}@pbx.example>` });
    t.equal(await call.final, 403);
    for (let i = 0; i < 100 && !service.output().includes('call ended'); i += 1) await pause(50);
    const said = service.output();
    t.match(said, /the password is not the cause/);
    t.equal(said.includes(user), fullNumbers);
    if (!fullNumbers) t.ok(said.includes('+4477******77'), 'masked, not left out');
    t.ok(said.includes(number), 'the business number is nobody\'s secret');
    t.match(said, fullNumbers ? /"to":"sip:\+447700900177@wa\.meta\.vc"/ : /"to":"sip:\+4477\*{6}77@wa\.meta\.vc"/, 'C1: the advice names the URIs');
  });
}

t.test('C9: every spelling of a user in a line is masked, and nothing else', (t) => {
  const keep = new Set([number]);
  t.equal(maskLine('{"a":"+447700900177","b":"sip:%2B447700900177@x","c":"GB.13491208655302741918","d":"US.ENT.13491208655302741918"}', keep),
    '{"a":"+4477******77","b":"sip:+4477******77@x","c":"GB.13*****************18","d":"US.EN*********************18"}'.replace('GB.13*****************18', `GB.13${'*'.repeat(16)}18`).replace(/US\.EN\*+18/, `US.EN${'*'.repeat(20)}18`));
  for (const line of [`{"n":"${number}"}`, '{"time":"2026-11-28T20:31:09.120Z","at":1795897869191}', '{"id":"57a3aa7e-1c7c-460f-ada2-1c5bf1d7c0af"}', '{"host":"sbc.example.net:5061","user":"6001"}']) t.equal(maskLine(line, keep), line);
  t.end();
});

t.test("C9: numbers.*.environment: Meta's limits of sandbox and production, in both the way there and back", (t) => {
  const said: string[] = [];
  const log = { info: () => undefined, warn: (fields: object, text: string) => { said.push(`${JSON.stringify(fields)} ${text}`); } };
  const sandbox = '+447700900002';
  const ledger = new PermissionLedger({
    config: () => ({ numbers: { [number]: { environment: 'production' }, [sandbox]: { environment: 'sandbox' } } as never }), names: (name) => [name === 'GB.1' ? user : name],
    store: new Remembered({ prefix: 'g', capacity: 10, lifetime: 1e9, now: Date.now }), now: Date.now, log,
  });
  const end = (from: string, direction: CallRecord['direction'], termination: object, durationMs: number | null = null, leftAt: number | null = 0, to = user, rings = false): void =>
    tellLedger(ledger, { facts: { number: from, user: to } as never, leftAt, rings }, { direction, time: '2026-11-21T12:00:00.000Z', setupMs: 0, termination: termination as CallRecord['termination'], durationMs });
  const declined = { by: 'meta', reason: 'declined', status: 486, text: '' };
  const rang = { by: 'us', reason: 'ringTimeout', status: 480, text: '' };
  end(number, 'business-initiated', declined);
  t.equal(said.length, 0);
  end(number, 'business-initiated', rang);
  t.match(said, [/"environment":"production","count":2.* Meta asks the user .* after 4 /]);
  end(number, 'business-initiated', { by: 'meta', reason: 'unreachable', status: 480, text: '' });
  end(number, 'business-initiated', { by: 'meta', reason: 'noPermission', status: 403, text: '' });
  end(number, 'business-initiated', declined, null, null);
  t.equal(said.length, 1, 'what never rang at the user counts for nothing');
  end(number, 'business-initiated', declined);
  t.match(said[1], /"count":4.* takes the permission to call back/);

  for (let i = 0; i < 10; i += 1) end(sandbox, 'business-initiated', declined);
  t.match(said.slice(2), [/"environment":"sandbox","count":5.* after 10 /, /"count":10/]);
  end(sandbox, 'user-initiated', { by: 'user', reason: 'hangup', status: 200, text: '' }, 5000);
  for (let i = 0; i < 4; i += 1) end(sandbox, 'business-initiated', declined);
  t.equal(said.length, 4, 'a connected call of either side begins anew');
  end(sandbox, 'business-initiated', declined, null, 0, 'GB.1');
  t.match(said[4], /"count":5/, 'a user is one under every name');
  t.end();
});
