// The embedded SIP server judged by programs that nobody here wrote: sipp's own scenarios, baresip, sipsak, sipvicious.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { DigestServer } from '../../lib/sip/digestServer.js';
import { makeCertificates } from '../unit/sipserver/certificates.js';
import { start } from '../scenario/sipserver/harness.js';
import type { SrfDialog, Stack } from '../scenario/sipserver/harness.js';
import type { SipServerOptions } from '../../lib/sipserver/index.js';
import { absent, startSipp } from './programs.js';
import { baresip, runToEnd, scratch, sippClient } from './sip-tools.js';

const SDP = 'v=0\r\no=pbx 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n';

const certificates = makeCertificates();
t.teardown(() => { certificates.remove(); });
const tls = certificates.issue('pbx', 'pbx.example.net');

/** The server with the timers of the RFC, and an application that answers every call. */
async function answering(t: Test, options: Partial<SipServerOptions> = {}): Promise<Stack & { calls: SrfDialog[]; ended(): number }> {
  const stack = await start(t, { timers: {}, ...options });
  const calls: SrfDialog[] = [];
  let ended = 0;
  stack.srf.invite((req, res) => {
    res.send(180);
    // By callback: a promise would be told of the dialog a turn later, behind a BYE that was read together with the answer.
    stack.srf.createUAS(req, res, { localSdp: SDP }, (error, dialog) => {
      if (error !== null || dialog === undefined) return; // The caller has given up.
      calls.push(dialog);
      dialog.on('destroy', () => { ended++; });
    });
  });
  stack.srf.use('options', (_req, res) => { res.send(200, { headers: { Allow: 'INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER' } }); });
  return { ...stack, calls, ended: () => ended };
}

async function until(what: string, condition: () => boolean, seconds = 20): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

for (const [transport, flag] of [['udp', 'u1'], ['udp', 'un'], ['tcp', 't1'], ['tcp', 'tn']] as const) {
  t.test(`sipp uac, ${transport} (-t ${flag}): 40 calls from INVITE to BYE`, { skip: absent('sipp') }, async (t) => {
    const { port, server, ended } = await answering(t);
    const { code, ok, failed, output } = await sippClient(t, 'uac', `127.0.0.1:${port(transport)}`, ['-t', flag, '-m', '40', '-r', '40', '-d', '100']);
    t.equal(code, 0, output.slice(-1500));
    t.match({ ok, failed }, { ok: 40, failed: 0 });
    await until('every BYE heard', () => ended() === 40);
    t.equal(server.stats().dialogs, 0);
  });
}

t.test('sipp uac_pcap: with media packets of its own', { skip: absent('sipp') }, async (t) => {
  const { port } = await answering(t);
  const cwd = await scratch(t);
  const dumped = await runToEnd('sipp', ['-sd', 'uac_pcap'], { cwd });
  // The built-in names its file relative to where it is run.
  await writeFile(join(cwd, 'scenario.xml'), dumped.output.slice(dumped.output.indexOf('<?xml')).replaceAll('pcap/', '/usr/share/sip-tester/').replaceAll('milliseconds="8000"', 'milliseconds="500"'));
  const { code, output } = await runToEnd('sipp', ['-sf', 'scenario.xml', `127.0.0.1:${port('udp')}`, '-i', '127.0.0.1', '-nostdin', '-m', '2', '-r', '2'], { cwd });
  t.equal(code, 0, output.slice(-1500));
});

t.test('sipp regexp: reads our headers', { skip: absent('sipp') }, async (t) => {
  const { port } = await answering(t);
  const { code, ok, output } = await sippClient(t, 'regexp', `127.0.0.1:${port('udp')}`, ['-m', '5', '-r', '10']);
  t.equal(code, 0, output.slice(-1500));
  t.equal(ok, 5);
});

t.test('sipp uas: 20 calls of ours', { skip: absent('sipp') }, async (t) => {
  const { srf, server } = await start(t, { timers: {} });
  const sipp = await startSipp();
  t.teardown(() => sipp.close());
  const calls = await Promise.all(Array.from({ length: 20 }, (_, n) => srf.createUAC(`sip:user${n}@127.0.0.1:${sipp.port}`, { localSdp: SDP })));
  t.ok(calls.every((call) => call.remote.sdp.includes('m=audio')));
  await Promise.all(calls.map((call) => call.destroy()));
  t.equal(server.stats().dialogs, 0);
});

t.test('sipp branchc: REGISTER, call, BYE', { skip: absent('sipp') }, async (t) => {
  const { srf, port, ended } = await answering(t);
  srf.use('register', (_req, res) => { res.send(200); });
  const { code, ok, output } = await sippClient(t, 'branchc', `127.0.0.1:${port('udp')}`, ['-m', '3', '-r', '3']);
  t.equal(code, 0, output.slice(-1500));
  t.equal(ok, 3);
  t.equal(ended(), 3);
});

t.test('sipp branchs: we register, and are let in or refused', { skip: absent('sipp') }, async (t) => {
  const { srf, server } = await start(t, { timers: {} });
  const sipp = await startSipp('branchs');
  t.teardown(() => sipp.close());
  const at = `127.0.0.1:${sipp.port}`;
  for (const [user, status] of [['ua2', 200], ['ua1', 403]] as const) {
    // sipp tells its calls apart by Call-ID.
    const headers = { 'Call-ID': `branch-${user}`, From: `<sip:${user}@127.0.0.1>` };
    const registered = await new Promise<number>((resolve, reject) => {
      srf.request({ uri: `sip:${at}`, method: 'REGISTER', headers: { ...headers, Contact: `<sip:${user}@127.0.0.1>` } }, (error, req) => {
        if (error !== null && error !== undefined) reject(error as Error);
        else req.once('response', (res: { status: number }) => { resolve(res.status); });
      });
    });
    t.equal(registered, 200);
    const call = await srf.createUAC(`sip:bob@${at}`, { localSdp: SDP, headers }).catch((e: unknown) => e as { status: number });
    if ('destroy' in call) {
      t.equal(status, 200);
      await call.destroy();
    } else t.equal(call.status, status);
  }
  t.equal(server.stats().dialogs, 0);
});

/** An application that lets user 6001 with password "phone" register, and keeps where the phone is reached. */
function registrar(srf: Stack['srf']): { contact: string; path: string; count: number } {
  const digest = new DigestServer({ realm: 'pbx.example.net', algorithms: ['MD5'], nonceLifetime: 60_000, now: Date.now });
  const binding = { contact: '', path: '', count: 0 };
  srf.use('register', (req, res) => {
    const bound = { callId: req.get('call-id'), place: '' };
    const shown = digest.read(req.has('authorization') ? [req.get('authorization')] : [], bound);
    const verdict = shown.judgeable ? digest.verify(shown, 'REGISTER', (user) => (user === '6001' ? 'phone' : null)) : shown.reason;
    if (verdict !== 'right') {
      const wrong = verdict === 'wrongUser' || verdict === 'wrongResponse';
      res.send(wrong ? 403 : 401, wrong ? {} : { headers: { 'WWW-Authenticate': digest.challenge(bound)[0] ?? '' } });
      return;
    }
    binding.contact = /<([^>]+)>/.exec(req.get('contact'))?.[1] ?? '';
    binding.path = /<([^>]+)>/.exec(req.get('path'))?.[1] ?? '';
    binding.count++;
    res.send(200, { headers: { Contact: `${req.get('contact')};expires=60`, Expires: '60' } });
  });
  return binding;
}

for (const transport of ['udp', 'tcp', 'tls'] as const) {
  t.test(`baresip over ${transport}: registers with a password, is called by its flow, calls and is hung up`, { skip: absent('baresip') }, async (t) => {
    const { srf, port, calls, server } = await answering(t, { listen: [`${transport}:127.0.0.1:0`], tls });
    const binding = registrar(srf);
    const phone = await baresip(t, `<sip:6001@127.0.0.1:${port(transport)};transport=${transport}>;auth_user=6001;auth_pass=phone;regint=60;answermode=auto`);
    await until(`registered: ${phone.output()}`, () => binding.count > 0);
    const call = await srf.createUAC(binding.contact, { localSdp: SDP, proxy: binding.path });
    t.match(call.remote.sdp, /m=audio \d+ RTP\/AVP/);
    await call.destroy();
    await phone.close();
    const caller = await baresip(t, `<sip:6001@127.0.0.1:${port(transport)};transport=${transport}>;regint=0`,
      [`d sip:echo@127.0.0.1:${port(transport)};transport=${transport}`]);
    await until(`calls: ${caller.output()}`, () => calls.length === 1);
    const [incoming] = calls;
    if (incoming === undefined) throw new Error('no call');
    await incoming.destroy();
    await until('baresip has seen the BYE', () => /session closed|terminated/i.test(caller.output()));
    t.match(server.stats(), { dialogs: 0, faults: 0 });
  });
}

t.test('baresip with a wrong password stays out', { skip: absent('baresip') }, async (t) => {
  const { srf, port } = await answering(t, { listen: ['udp:127.0.0.1:0'] });
  const binding = registrar(srf);
  const phone = await baresip(t, `<sip:6001@127.0.0.1:${port('udp')};transport=udp>;auth_user=6001;auth_pass=guess;regint=60`);
  await until('refused', () => /403/.test(phone.output()));
  t.equal(binding.count, 0);
});

t.test('sipsak: OPTIONS, random garbage, and a registration', { skip: absent('sipsak') }, async (t) => {
  const { srf, port, server } = await answering(t);
  const binding = registrar(srf);
  const uri = `sip:6001@127.0.0.1:${port('udp')}`;
  const asked = await runToEnd('sipsak', ['-vv', '-s', uri]);
  t.equal(asked.code, 0, asked.output.slice(-800));
  t.match(asked.output, /SIP\/2\.0 200 OK/);
  const traced = await runToEnd('sipsak', ['-E', 'tcp', '-vv', '-s', `sip:6001@127.0.0.1:${port('tcp')}`]);
  t.equal(traced.code, 0, traced.output.slice(-800));
  const registered = await runToEnd('sipsak', ['-U', '-C', 'sip:6001@127.0.0.1:9', '-x', '60', '-a', 'phone', '-u', '6001', '-s', uri]);
  t.equal(registered.code, 0, registered.output.slice(-800));
  t.equal(binding.count, 1);
  // Each message has one more character put wrong; sipsak stops at the first that gets no 4xx, or after a hundred.
  await runToEnd('sipsak', ['-R', '-t', '100', '-s', uri], { seconds: 30 });
  t.ok((server.stats()['malformed'] ?? 0) > 0);
  t.equal(server.stats().faults, 0);
  t.equal((await runToEnd('sipsak', ['-s', uri])).code, 0, 'still answers');
});

t.test('sipvicious learns nothing: no server, no extension, no password', { skip: absent('svmap') }, async (t) => {
  const { srf, port, server } = await answering(t);
  const binding = registrar(srf);
  const home = await scratch(t);
  const at = ['127.0.0.1', '-p', String(port('udp'))];
  const scan = async (program: string, args: readonly string[]): Promise<string> => {
    const { output } = await runToEnd('env', [`HOME=${home}`, program, ...args], { seconds: 25, cwd: home });
    t.notMatch(output, /reqauth|noauth|passwordless|Facebook|baresip|\| 6001/, `${program} ${args.join(' ')}`);
    return output;
  };
  t.match(await scan('svmap', at), /found nothing/i);
  t.match(await scan('svmap', ['-m', 'INVITE', ...at]), /found nothing/i);
  await scan('svwar', ['-e', '6000-6005', '-m', 'REGISTER', '--maximumtime', '4', ...at]);
  await scan('svwar', ['-e', '6000-6005', '-m', 'INVITE', '--force', '--maximumtime', '4', ...at]);
  await scan('svcrack', ['-u', '6001', '-r', '1-20', '--maximumtime', '4', ...at]);
  t.equal(binding.count, 0);
  t.ok((server.stats()['silenced'] ?? 0) > 4, `${server.stats()['silenced']} met with silence`);
  t.equal(server.stats().dialogs, 0);
});
