// A voice agent behind Asterisk's chan_websocket, which is in no Debian release but sid: skipped where it is not installed. The blocks of docs/guides/agents.md, with other addresses.
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { WebSocketServer, type WebSocket } from 'ws';
import { freePort, programPorts } from '../helpers/ports.js';
import { openStage } from '../scenario/harness.js';
import { assertQuietLeg, recordOf, until } from '../scenario/pbx/steps.js';
import { noAsterisk, runAsterisk } from './asteriskProcess.js';

/** The file blocks of the guide, by file name. */
function blocksOf(page: string): Map<string, string> {
  const text = readFileSync(new URL(`../../docs/guides/${page}`, import.meta.url), 'utf8');
  return new Map([...text.matchAll(/<!-- file: (\S+) -->\n```\w*\n([\s\S]*?)```/g)].map(([, name = '', block = '']) => [name, block]));
}

t.test('an agent of chan_websocket hears the user and is heard, gets digits, and hangs up', { skip: noAsterisk() }, async (t) => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: (offered) => (offered.has('media') ? 'media' : false) });
  await once(server, 'listening');
  t.teardown(() => server.close());
  const said: string[] = [];
  let agent: WebSocket | null = null;
  server.on('connection', (socket) => {
    agent = socket;
    socket.on('message', (data: Buffer, binary) => {
      if (binary) socket.send(data);
      else said.push(data.toString());
    });
  });
  const port = await freePort();
  const media = await programPorts();
  const blocks = blocksOf('agents.md');
  t.same([...blocks.keys()], ['websocket_client.conf', 'extensions.conf']);
  const uri = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/call`;
  const stage = await openStage({ external: { pbx: { port, users: ['agent'] } }, overlay: { routes: [{ name: 'agent', number: '+447700900001', to: [{ peer: 'pbx', user: 'agent' }] }] } });
  t.teardown(() => stage.close());
  const asterisk = await runAsterisk(() => new Map(Object.entries({
    'modules.conf': '[modules]\nautoload = yes\nnoload = chan_iax2.so\nnoload = chan_unistim.so\nnoload = pbx_dundi.so\nnoload = res_snmp.so\n',
    'rtp.conf': `[general]\nrtpstart = ${media.first}\nrtpend = ${media.last}\n`,
    'websocket_client.conf': (blocks.get('websocket_client.conf') ?? '').replace(/^uri = .*$/m, `uri = ${uri}`).replace('tls_enabled = yes', 'tls_enabled = no'),
    'extensions.conf': blocks.get('extensions.conf') ?? '',
    'pjsip.conf': `[transport-udp]
type = transport
protocol = udp
bind = 127.0.0.1:${port}
[wa-b2bua]
type = endpoint
context = from-whatsapp
disallow = all
allow = ulaw
direct_media = no
[wa-b2bua]
type = identify
endpoint = wa-b2bua
match = 127.0.0.1
`,
  })));
  t.teardown(() => asterisk.close());
  if (!(await asterisk.command('module show like chan_websocket')).includes('Running')) {
    t.comment('this Asterisk has no chan_websocket');
    return;
  }

  const user = stage.user({ tones: [600, 600], expect: [600] });
  t.equal(await user.place(), 200);
  await until(() => (user.report().audio?.detail.tone.heard ?? 0) > 50, 'the user hears what the agent sends back');
  t.match(said[0], /^MEDIA_START .*format:ulaw/);
  await user.press('5', 160);
  await until(() => said.some((line) => /^DTMF_END .*digit:5/.test(line)), 'the digit');
  (agent as WebSocket | null)?.send('HANGUP');
  await until(() => user.report().endedBy !== 'nobody', 'the end');
  t.match(await recordOf(stage, user), { peer: 'pbx', target: 'agent', termination: { by: 'peer', reason: 'hangup' } });
  assertQuietLeg(t, user.report());

  server.close();
  for (const socket of server.clients) socket.terminate();
  const second = stage.user();
  t.ok(await second.place() >= 400, 'no agent is there: the next target would ring');
  t.match((await stage.running.records(2))[1], { termination: { by: 'peer' } });
});
