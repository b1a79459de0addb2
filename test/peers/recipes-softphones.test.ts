// docs/peers/softphones.md as it is written, in baresip, with config/examples/softphones.yaml as it is written.
import t from 'tap';
import { domain } from '../helpers/service.js';
import { hears, until } from '../scenario/pbx/steps.js';
import { absent } from './programs.js';
import { blocksOf, pageText, putHere } from './recipe/docs.js';
import { openRecipe, serviceHost } from './recipe/stage.js';
import { startSoftphone, type Softphone } from './softphone.js';

const passwords = { PHONE_6001: 'pw-6001', PHONE_6002: 'pw-6002' };

t.test('the recipe for softphones', { skip: absent('baresip'), timeout: 120_000 }, async (t) => {
  const stage = await openRecipe({ example: 'softphones.yaml', env: passwords, places: [] });
  t.teardown(() => stage.close());
  const page = blocksOf(await pageText('docs/peers/softphones.md'));
  const phones: Softphone[] = [];
  for (const [user, audio] of [['6001', 440], ['6002', 700]] as const) {
    const written = page.find(({ file }) => file === `${user}/accounts`)?.text ?? '';
    // They answer by themselves; that is the test's.
    const account = `${putHere(written.trim(), [...stage.places, ...Object.entries(passwords).map(([name, value]) => [`\${${name}}`, value] as const)])};answermode=auto`;
    const phone = await startSoftphone({ user, password: '', domain, registrar: `${serviceHost}:${stage.sipPort}`, transport: 'tcp', audio, account });
    t.teardown(() => phone.close());
    phones.push(phone);
  }
  const registered = async (): Promise<number> => {
    const { registrations } = await (await fetch(`http://${stage.service.http}/status`)).json() as { registrations: unknown[] };
    return registrations.length;
  };
  const deadline = Date.now() + 15_000;
  while (await registered() < 2) {
    if (Date.now() > deadline) throw new Error(`no registration: ${phones.map((phone) => phone.output()).join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }

  await t.test('a WhatsApp user calls, both ring, one has the call', async (t) => {
    const user = stage.user({ expect: [440, 700] });
    t.equal(await user.place(), 200);
    await hears(user, 'tone');
    await user.hangUp();
    t.match(await stage.recordOf(user), { peer: 'phones', target: /^600[12]$/, termination: { by: 'user', reason: 'hangup' } });
  });
  await t.test('a phone calls a WhatsApp user', async (t) => {
    const meta = await stage.answerAsMeta({ behaviour: 'tone', expect: [440] });
    await phones[0]?.command('dial', `sip:+447700900101@${domain}`);
    await until(() => meta.liveCalls[0]?.report().status === 200, 'Meta has the call');
    const whatsapp = meta.liveCalls[0];
    if (whatsapp === undefined) return;
    await hears(whatsapp, 'tone');
    await phones[0]?.command('hangup');
    await until(() => whatsapp.ended, 'Meta gets the BYE');
    t.match(await stage.recordOf(whatsapp), { account: '6001', peer: 'phones', direction: 'business-initiated' });
  });
});
