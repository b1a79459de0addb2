// N4, N9, M4, L9: whatever the PBX's answer looks like, Meta gets its final response, the PBX its ACK and BYE, and nothing stays behind in the SIP server.
import t, { type Test } from 'tap';
import { engines } from '../../helpers/engines.js';
import { RawPeer, sdp, type Extra } from '../../helpers/rawPeer.js';
import { number } from '../../helpers/service.js';
import { openStage, pause, type Stage } from '../harness.js';

/** What the embedded SIP server holds. An INVITE of ours that was accepted waits 32 s for further forks, rightly. */
async function held(stage: Stage): Promise<Record<string, number>> {
  const text = await (await fetch(`http://${stage.running.service.http}/metrics`)).text();
  return Object.fromEntries(['requestsIn', 'dialogs'].map((name) => [name, Number(new RegExp(`${name}"\\} (\\d+)`).exec(text)?.[1] ?? -1)]));
}

async function settles(t: Test, stage: Stage, what: string): Promise<void> {
  if (engines.sip !== 'embedded') return;
  const nothing = { requestsIn: 0, dialogs: 0 };
  let now = await held(stage);
  for (const deadline = Date.now() + 5000; JSON.stringify(now) !== JSON.stringify(nothing) && Date.now() < deadline; now = await held(stage)) await pause(50);
  t.same(now, nothing, `${what}: nothing stays`);
}

async function open(t: Test, more: Record<string, unknown> = {}): Promise<{ stage: Stage; pbx: RawPeer; second: RawPeer }> {
  const pbx = await RawPeer.open();
  const second = await RawPeer.open();
  const stage = await openStage({
    external: { pbx: { port: pbx.port, mayCall: [number] }, second: { port: second.port } },
    overlay: { meta: { mediaTimeout: 0 }, routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }], ringTimeout: 5 }], ...more },
  });
  t.teardown(async () => {
    await stage.close();
    pbx.close();
    second.close();
  });
  return { stage, pbx, second };
}

const methods = (lines: readonly string[]): string[] => lines.filter((line) => !line.startsWith('SIP/2.0')).map((line) => line.split(' ')[0]!);

/** Waits for the last word: the PBX has its BYE. */
async function ended(peer: RawPeer, from: number): Promise<string[]> {
  for (const deadline = Date.now() + 3000; !methods(peer.heard.slice(from)).includes('BYE') && Date.now() < deadline;) await pause(20);
  return methods(peer.heard.slice(from));
}

/** What drachtio-server does with such answers is its own. */
const embedded = engines.sip === 'embedded';

t.test('a 200 that makes no dialog: Meta is told, the PBX gets ACK and BYE, the next target rings', { skip: embedded ? false : 'drachtio-server sends neither ACK nor BYE where a 200 names no Contact' }, async (t) => {
  const two = [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }, { peer: 'second', user: '6002' }], ringTimeout: 5 }];
  const { stage, pbx, second } = await open(t, { routes: two });
  const cases: readonly [string, Extra['edit']][] = [['no Contact', (m) => { m.remove('contact'); }], ['an empty To', (m) => { m.set('To', ''); }]];
  second.script((invite, peer) => peer.answer(invite, 200, { body: sdp() }));
  for (const [index, [what, edit]] of cases.entries()) {
    const before = pbx.heard.length;
    pbx.script((invite, peer) => peer.answer(invite, 200, { body: sdp(), edit }));
    const report = await stage.call({ expect: [] }, 100);
    t.equal(report.status, 200, `${what}: the second target has the call`);
    t.same(await ended(pbx, before), ['INVITE', 'ACK', 'BYE'], what);
    t.equal((await stage.running.records(index + 1)).at(-1)?.peer, 'second', what);
    await settles(t, stage, what);
  }
});

t.test('a 200 that makes one all the same, and targets that lead nowhere or where they must not', async (t) => {
  const { stage, pbx } = await open(t);
  const { udp, tls } = stage.running;
  const cases: readonly [string, Extra['edit']][] = [
    ['no To tag', (m) => { m.set('To', m.get('to')!.replace(/;tag=.*/, '')); }],
    // drachtio-server drops what it cannot parse, acknowledges of the 2xx only 200, and sends within a dialog wherever its far end says.
    ...(!embedded ? [] : [
      ['a status of 299', (m) => { m.status = 299; }],
      ['a status of 202', (m) => { m.status = 202; }],
      ['; before To', (m) => { m.set('To', `;${m.get('to')}`); }],
      ['; before From', (m) => { m.set('From', `;${m.get('from')}`); }],
      ['; before Contact', (m) => { m.set('Contact', `;${m.get('contact')}`); }],
      ['an unclosed quote in To', (m) => { m.set('To', `"Six ${m.get('to')}`); }],
    ] satisfies [string, Extra['edit']][]),
    ...(!embedded ? [] : [
      '<sip:x@[2001:db8::1]:5099>', '<sip:x@no-such-host.invalid>', '<sip:x@wa.meta.vc;transport=tls>', '<sip:x@proxy.fbinfra.net:8191;transport=tls>', `<sip:x@${udp.host}:${udp.port}>`,
      `<sip:x@${tls.host}:${tls.port};transport=tls>`, '<sip:x@224.0.0.1>', '<sip:x@255.255.255.255>', '<sip:x@0.0.0.0>', '<sip:x@127.0.0.1:1;transport=tcp>', '<sip:x@127.0.0.1;transport=sctp>',
    ].flatMap((target): [string, Extra['edit']][] => [
      [`Contact ${target}`, (m) => { m.set('Contact', target); }],
      [`Record-Route ${target}`, (m) => { m.add('Record-Route', target.replace('>', ';lr>')); }],
    ])),
  ];
  for (const [index, [what, edit]] of cases.entries()) {
    const before = pbx.heard.length;
    pbx.script((invite, peer) => peer.answer(invite, 200, { body: sdp(), edit }));
    const report = await stage.call({ expect: [] }, 50);
    t.equal(report.status, 200, what);
    t.same(await ended(pbx, before), ['INVITE', 'ACK', 'BYE'], what);
    t.match((await stage.running.records(index + 1)).at(-1)?.termination, { by: 'user', reason: 'hangup' }, what);
  }
  await settles(t, stage, 'all of them');
});

t.test('final statuses that nobody knows: Meta gets one that it does', async (t) => {
  const { stage, pbx } = await open(t);
  for (const [index, [status, expected]] of ([[607, 603], [699, 480], [599, 480], [499, 480], [603, 603], [600, 600], [486, 486]] as const).entries()) {
    pbx.script((invite, peer) => {
      peer.answer(invite, 180);
      setTimeout(() => peer.answer(invite, status, { reason: 'Whatever' }), 20);
    });
    const report = await stage.call({ expect: [] }, 50);
    t.equal(report.status, expected, String(status));
    t.equal((await stage.running.records(index + 1)).at(-1)?.termination.status, status, 'the record has what the peer said');
  }
  pbx.script((invite, peer) => peer.answer(invite, 399, { edit: (m) => { m.remove('contact'); } }));
  t.ok((await stage.call({ expect: [] }, 50)).status >= 400, 'a redirection to nowhere is a refusal');
  await settles(t, stage, 'all of them');
});

t.test('a PBX that calls: a Contact is needed, and one that leads nowhere does not keep its BYE away', async (t) => {
  const { stage, pbx } = await open(t);
  await stage.answerAsMeta({ media: 'none', behaviour: 'hangup=0.3' });
  const { udp } = stage.running;
  let user = 200;
  const call = (extra: Extra): ReturnType<RawPeer['call']> => pbx.call(udp, `sip:+447700900${user++}@${udp.host}`, extra, `<sip:${number}@pbx.example>`);
  for (const [what, edit] of [
    ['no Contact', (m) => { m.remove('contact'); }], ['; before From', (m) => { m.set('From', `;${m.get('from')}`); }], ['; before To', (m) => { m.set('To', `;${m.get('to')}`); }],
    ['; before Contact', (m) => { m.set('Contact', `;${m.get('contact')}`); }],
  ] as readonly [string, NonNullable<Extra['edit']>][]) t.equal((await call({ edit })).status, 400, what);
  for (const target of !embedded ? [] : ['<sip:x@[2001:db8::1]:5099>', '<sip:x@wa.meta.vc;transport=tls>', `<sip:x@${udp.host}:${udp.port}>`, '<sip:x@224.0.0.1>']) {
    for (const header of ['Contact', 'Record-Route']) {
      const before = pbx.heard.length;
      const response = await call({ headers: [[header, header === 'Contact' ? target : target.replace('>', ';lr>')]] });
      t.equal(response.status, 200, `${header} ${target}`);
      t.same((await ended(pbx, before)).filter((method) => method === 'BYE'), ['BYE'], `${header} ${target}: Meta hangs up, and the PBX hears of it`);
    }
  }
  await settles(t, stage, 'all of them');
});

t.test('B11, C7: an unclosed quote in From, a tag inside the display name of To', async (t) => {
  const { stage, pbx } = await open(t);
  await stage.answerAsMeta({ media: 'none' });
  const { udp } = stage.running;
  // drachtio-server answers 400 to it by itself.
  if (embedded) t.equal((await pbx.call(udp, `sip:+447700900301@${udp.host}`, {}, `"Reception <sip:${number}@pbx.example>`)).status, 200, 'the quote is inferred');
  if (embedded) t.equal(stage.running.log.filter((text) => text.includes('an opening quote alone')).length, 1, 'and that is told');
  t.equal((await pbx.call(udp, `sip:+447700900302@${udp.host}`, { edit: (m) => { m.set('To', `"a;tag=b" <sip:+447700900302@${udp.host}>`); } }, `<sip:${number}@pbx.example>`)).status, 200, 'a tag in a name is none');
  t.equal((await pbx.call(udp, `sip:+447700900303@${udp.host}`, {}, `"Reception <sip:+1@x> <sip:${number}@pbx.example>`)).status, 400, 'two readings are none');
  t.notOk(stage.running.log.some((text) => text.includes('an opening quote alone') && text.includes('700900302')), 'where nothing is inferred nothing is told');
});
