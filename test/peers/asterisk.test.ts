// A person's phone (baresip) behind Asterisk, which is in no Debian release but sid: skipped where it is not installed.
import t from 'tap';
import type { MetaCallReport } from '../../lib/simulator/meta/report.js';
import { number } from '../helpers/service.js';
import { openStage, type Stage } from '../scenario/harness.js';
import { assertQuietLeg, hears, recordOf, tonesOf, until } from '../scenario/pbx/steps.js';
import { startAsterisk, type Asterisk } from './asterisk.js';
import { noAsterisk } from './asteriskProcess.js';
import { absent } from './programs.js';
import { startSoftphone, type Softphone } from './softphone.js';

const toneOf = { 6001: 440, 6002: 700 } as const;

t.test('phones behind Asterisk', { skip: noAsterisk() || absent('baresip') }, async (t) => {
  let opened: Stage | null = null;
  const asterisk: Asterisk = await startAsterisk(async (port) => {
    opened = await openStage({
      external: { pbx: { port, mayCall: [number] } },
      overlay: { routes: [
        { name: 'queue', number, payload: '^queue', to: [{ peer: 'pbx', user: '6009' }] },
        { name: 'main', number, to: [{ peer: 'pbx', user: '6001' }] },
      ] },
    });
    t.teardown(() => opened?.close());
    return opened.running.udp;
  });
  const stage = opened as unknown as Stage;
  const phones = {} as Record<keyof typeof toneOf, Softphone>;
  t.teardown(async () => {
    for (const phone of Object.values(phones)) await phone.close();
    await asterisk.close();
  });
  for (const user of [6001, 6002] as const) {
    phones[user] = await startSoftphone({ user: `${user}`, password: `pw-${user}`, domain: '127.0.0.1', registrar: `127.0.0.1:${asterisk.port}`, transport: 'udp', audio: toneOf[user] });
  }
  await asterisk.until('pjsip show contacts', (said) => said.includes('6001/') && said.includes('6002/'));
  const expect = Object.values(toneOf);
  /** The colleague's tone, and nothing else any more. */
  const hearsColleague = async (listener: { report(): MetaCallReport }): Promise<void> => {
    await until(() => listener.report().audio?.detail.tone.frequencies.includes(toneOf[6002]) === true, 'the colleague is heard');
    await hears(listener, 'tone', 50);
  };

  /** The phone that has the call: hold, resume, blind transfer to its colleague. */
  const holdThenTransfer = async (user: Parameters<typeof hearsColleague>[0]): Promise<void> => {
    await hears(user, 'tone');
    await phones[6001].command('hold');
    // moh_passthrough: Asterisk hands the hold on by re-INVITE, and the music is ours.
    await hears(user, 'music', 50);
    await phones[6001].command('resume');
    await hears(user, 'tone', 20);
    await phones[6001].command('transfer', `sip:6002@127.0.0.1:${asterisk.port}`);
    await hearsColleague(user);
    await asterisk.until('core show channels', (said) => said.includes('PJSIP/6002-') && !said.includes('PJSIP/6001-'));
  };

  await t.test('hold and resume, then a blind transfer by the phone: Asterisk moves the media, nobody else notices', async (t) => {
    const user = stage.user({ expect });
    t.equal(await user.place(), 200);
    await holdThenTransfer(user);
    await user.hangUp();
    const { id, ...cdr } = await recordOf(stage, user);
    t.match(cdr, { peer: 'pbx', target: '6001', termination: { by: 'user', reason: 'hangup' } });
    t.same(cdr.transfers, [], 'it was no transfer of ours');
    const ladder = await (await fetch(`http://${stage.running.service.http}/calls/${id}/ladder`)).text();
    t.ok(ladder.split('◄── INVITE').length > 2, 'hold and resume came to us');
    assertQuietLeg(t, user.report());
  });

  await t.test('attended transfer by the phone: *2, the colleague is asked, the phone leaves', async (t) => {
    const user = stage.user({ expect });
    t.equal(await user.place(), 200);
    await hears(user, 'tone');
    await phones[6001].press('*2');
    await asterisk.until('core show channels', (said) => said.includes('PJSIP/6001-') && !said.includes('6002'));
    await phones[6001].press('6002');
    await asterisk.until('core show channels', (said) => /PJSIP\/6002-\S+ .* Up /.test(said));
    await phones[6001].command('hangup');
    await asterisk.until('core show channels', (said) => !said.includes('PJSIP/6001-'));
    await hearsColleague(user);
    await user.hangUp();
    const cdr = await recordOf(stage, user);
    t.match(cdr, { target: '6001', termination: { by: 'user', reason: 'hangup' } });
    assertQuietLeg(t, user.report());
  });

  await t.test('a queue of Asterisk transfers by REFER to us: judged, followed, told', async (t) => {
    const user = stage.user({ payload: 'queue', expect });
    t.equal(await user.place(), 200);
    await hearsColleague(user);
    await user.hangUp();
    const cdr = await recordOf(stage, user);
    t.match(cdr, { target: '6002', transfers: [{ kind: 'blind', by: 'pbx', to: '6002@pbx', status: 200 }], termination: { by: 'user' } });
    assertQuietLeg(t, user.report());
  });

  await t.test('a phone calls a WhatsApp user, holds, resumes and gives the call to a colleague', async (t) => {
    const meta = await stage.answerAsMeta({ behaviour: 'tone', tones: tonesOf.user, expect });
    await phones[6001].command('dial', `sip:+447700900101@127.0.0.1:${asterisk.port}`);
    await until(() => meta.liveCalls[0]?.report().status === 200, 'Meta has the call');
    const whatsapp = meta.liveCalls[0]!;
    await holdThenTransfer(whatsapp);
    await phones[6002].command('hangup');
    await until(() => whatsapp.ended, 'Meta gets the BYE');
    const cdr = await recordOf(stage, whatsapp);
    t.match(cdr, { direction: 'business-initiated', peer: 'pbx', termination: { by: 'peer', reason: 'hangup' } });
    assertQuietLeg(t, whatsapp.report());
    await meta.close();
  });
});
