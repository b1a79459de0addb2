import t from 'tap';
import { sdp } from '../../helpers/rawPeer.js';
import { number } from '../../helpers/service.js';
import { openPolicyStage } from './stage.js';

const user = '+447700900101';

t.test('calls that came from the telephone network, and others that may not be, never reach Meta', async (t) => {
  const { stage, pbx, audit } = await openPolicyStage(t);
  const meta = await stage.answerAsMeta();
  const { udp } = stage.running;
  const own = `<sip:${number}@pbx.example>`;
  const rows: readonly (readonly [what: string, headers: readonly (readonly [string, string])[], code: string, more?: { uri?: string; body?: string; type?: string; from?: string }])[] = [
    ['Diversion', [['Diversion', '<sip:+12025550123@pbx.example>;reason=unconditional']], 'origin.diversion'],
    ['Diversion in a second line', [['Diversion', '<sip:6001@pbx.example>'], ['Diversion', '<tel:+12025550123>']], 'origin.diversion'],
    ['History-Info', [['History-Info', '<sip:+12025550123@pbx.example>;index=1']], 'origin.historyInfo'],
    ['P-Asserted-Identity with tel:', [['P-Asserted-Identity', '<tel:+12025550123>']], 'origin.identity'],
    ["P-Asserted-Identity at a carrier's host", [['P-Asserted-Identity', '<sip:anna@carrier.example>']], 'origin.identity'],
    ['Remote-Party-ID', [['Remote-Party-ID', '<sip:+12025550123@pbx.example>;party=calling']], 'caller.number'],
    ['From with tel:', [], 'origin.from', { from: '<tel:+12025550123>' }],
    ['a number that is not the peer\'s', [], 'caller.number', { from: '<sip:+12025550123@pbx.example>' }],
    ['ISUP', [], 'origin.isup', { body: 'x', type: 'application/ISUP' }],
    ['ISUP in multipart', [], 'origin.isup', { body: `--b\r\nContent-Type: application/sdp\r\n\r\n${sdp()}\r\n--b\r\nContent-Type: application/ISUP\r\n\r\nx\r\n--b--\r\n`, type: 'multipart/mixed;boundary=b' }],
    ['cpc', [], 'origin.params', { from: `<sip:${number};cpc=ordinary@pbx.example>` }], ['isup-oli', [], 'origin.params', { from: `<sip:${number}@pbx.example;isup-oli=00>` }], ['oli', [], 'origin.params', { from: `<sip:${number};oli=00@pbx.example>` }],
    ['rn and npdi', [], 'origin.params', { uri: `sip:${user};rn=+12025550123;npdi@127.0.0.1:${udp.port}` }],
    ['tgrp and trunk-context', [['Contact', `<sip:${number};tgrp=a;trunk-context=carrier.example@127.0.0.1>`]], 'origin.params'],
    ["media from a carrier's address", [], 'origin.media', { body: sdp('127.0.0.3') }],
    ['a WhatsApp user', [['X-WA-Wacid', 'wacid.1']], 'origin.whatsapp'],
    ['to a business number of ours', [], 'callee.whatsapp', { uri: `sip:${number}@127.0.0.1:${udp.port}` }],
    ['to Cuba', [], 'callee.sanctioned', { uri: `sip:+5352345678@127.0.0.1:${udp.port}` }],
    ['to nobody', [], 'callee.impossible', { uri: `sip:112@127.0.0.1:${udp.port}` }],
  ];
  for (const [index, [what, headers, code, more = {}]] of rows.entries()) {
    const response = await pbx.call(udp, more.uri ?? `sip:${user}@127.0.0.1:${udp.port}`, { headers, ...more }, more.from ?? own);
    t.equal(response.status, code === 'callee.impossible' ? 484 : 403, what);
    t.match(response.get('reason'), 'SIP;cause=', 'the PBX is told why');
    const cdr = (await stage.running.records(index + 1))[index]!;
    t.match(cdr.termination, { by: 'policy', reason: code }, what);
  }
  t.same([...meta.attempts, ...meta.reports], [], 'nothing came to Meta');
  t.same((await audit()).map(({ kind, code }) => [kind, code]), rows.map(([, , code]) => ['caller', code]));
});

t.test('the same PBX may call as itself, and its own diversions do not harm', async (t) => {
  const { stage, pbx, audit } = await openPolicyStage(t);
  const meta = await stage.answerAsMeta({ behaviour: 'declined' });
  const response = await pbx.call(stage.running.udp, `sip:${user}@127.0.0.1:${stage.running.udp.port}`, {
    headers: [['Diversion', '<sip:6001@pbx.example>;reason=no-answer'], ['History-Info', `<sip:6001@pbx.example>;index=1, <sip:${user}@127.0.0.1>;index=1.1`], ['P-Asserted-Identity', `<tel:${number}>`]],
  });
  t.equal(response.status, 486);
  t.equal(meta.attempts.length + meta.reports.length, 1, 'it came to Meta');
  const [line] = await audit();
  t.match(line, { kind: 'caller', allow: true, rule: 'peers.pbx.mayCall[0]' });
  t.notMatch(JSON.stringify(line), user, 'masked');
});
