// Voice agents that take SIP over TLS with SRTP keyed with SDES: baresip in their place, and what the guide says to write for two that cannot be reached from a test.
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { parseConfig } from '../../lib/config/load.js';
import { compilePolicy, prove } from '../../lib/policy/index.js';
import { makeCertificates } from '../helpers/certificates.js';
import { domain, metaHost, number } from '../helpers/service.js';
import { openStage } from '../scenario/harness.js';
import { assertQuietLeg, recordOf, until } from '../scenario/pbx/steps.js';
import { absent } from './programs.js';
import { startSoftphone } from './softphone.js';

const guide = readFileSync(new URL('../../docs/guides/agents.md', import.meta.url), 'utf8');

t.test('the peers of the guide pass check, with a route to each and fail-over to a person', (t) => {
  const blocks = [...guide.matchAll(/<!-- peer: (\w+) -->\n\s*```yaml\n([\s\S]*?)```/g)];
  t.same(blocks.map(([, name]) => name), ['openai', 'livekit']);
  for (const [, name = '', block = ''] of blocks) {
    const peers = parse(block) as Record<string, { users: string[] }>;
    const user = peers[name]!.users[0]!;
    const config = parseConfig(JSON.stringify({
      domain: 'sbc.example.net', sip: { listen: ['udp:127.0.0.1:5060'] }, numbers: { [number]: { password: 'x' } },
      peers: { pbx: { uri: 'sip:10.0.0.7', hosts: ['pbx.example.net'], pstn: 'none', users: ['6[0-9]{3}'] }, ...peers },
      routes: [{ name: 'agent', number, to: [{ peer: name, user }, { peer: 'pbx', user: '6000' }] }],
    }), { env: {}, path: 'test' });
    t.same(prove(compilePolicy(config)).faults, [], name);
  }
  t.end();
});

t.test('over TLS with SDES the user is heard and hears; a REFER gives them to a person, and one to anybody else is refused', { skip: absent('baresip') }, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'wab-agent-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const { ca, cert, key } = await makeCertificates(join(dir, 'certs'), { domain, metaHost });
  const certificate = join(dir, 'agent.pem');
  await writeFile(certificate, await readFile(cert, 'utf8') + await readFile(key, 'utf8'));
  const agent = await startSoftphone({
    user: 'agent', password: '', domain: '127.0.0.1', registrar: '127.0.0.1', transport: 'tcp', audio: 440, certificate,
    account: '<sip:agent@127.0.0.1;transport=tls>;regint=0;answermode=auto;audio_codecs=PCMU;mediaenc=srtp-mand',
  });
  t.teardown(() => agent.close());
  const stage = await openStage({
    peers: { pbx: { answer: { source: 'tone' }, tones: [1000, 1000] } },
    overlay: {
      peers: { agent: { uri: `sip:127.0.0.1:${agent.port + 1};transport=tls`, sources: [], pstn: 'none', users: ['agent'], codecs: ['PCMU', 'PCMA'], srtp: 'sdes', tls: { ca }, mayTransferTo: ['pbx'], health: { interval: 0 } } },
      routes: [{ name: 'agent', number, to: [{ peer: 'agent', user: 'agent' }, { peer: 'pbx', user: '6000' }] }],
    },
  });
  t.teardown(() => stage.close());
  const talk = async (): Promise<ReturnType<typeof stage.user>> => {
    const user = stage.user({ expect: [440, 1000] });
    t.equal(await user.place(), 200);
    await until(() => user.report().audio?.detail.tone.frequencies.includes(440) === true, 'the agent is heard');
    return user;
  };
  const kept = await talk();
  await agent.command('transfer', 'sip:+12025550123@127.0.0.1:5060');
  await until(() => (stage.running.service.table.all()[0]?.facts.transfers.length ?? 0) === 1, 'the REFER');
  t.equal(kept.report().endedBy, 'nobody', 'a telephone number is refused, and the call goes on');
  await kept.hangUp();
  t.match(await recordOf(stage, kept), { peer: 'agent', transfers: [{ kind: 'blind', by: 'agent', to: null, status: 403 }], media: { peer: { codec: 'PCMU', keying: 'sdes' } } });

  // baresip 1.0.0 sends one REFER in a call.
  const user = await talk();
  await agent.command('transfer', `sip:6001@127.0.0.1:${stage.peers.pbx!.port}`);
  await until(() => user.report().audio?.detail.tone.frequencies.includes(1000) === true, 'the person is heard');
  await user.hangUp();
  t.match(await recordOf(stage, user), { peer: 'pbx', target: '6001', tries: [{ peer: 'agent', status: 200 }], transfers: [{ kind: 'blind', by: 'agent', to: '6001@pbx', status: 200 }] });
  assertQuietLeg(t, user.report());
});
