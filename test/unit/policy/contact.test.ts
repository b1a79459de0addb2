import t from 'tap';
import { compilePolicy, objectsToContact } from '../../../lib/policy/index.js';
import { parseUri } from '../../../lib/sip/uri.js';
import { house } from './configuration.js';

const policy = compilePolicy(house);
const rows: readonly (readonly [contact: string, objection: RegExp | null])[] = [
  ['sip:6040@192.0.2.9:5060', null],
  ['sip:192.0.2.9:5062;transport=tcp', null],
  ['sip:k3j4h5k2@a1b2.invalid;transport=ws', null],
  // baresip, its pointer with and without letters.
  ['sip:6040-0x55d1c2a0e590@192.0.2.9', null],
  ['sip:6040-0x562428372590@192.0.2.9', null],
  ['sip:6041-0x562428372590@192.0.2.9', /telephone number/],
  ['sip:6040-0x12025550123567890@192.0.2.9', /telephone number/],
  ['sip:6040-0x1202@192.0.2.9', /telephone number/],
  ['sip:6040x12025550123@192.0.2.9', /telephone number/],
  ['sip:+12025550123@192.0.2.9', /telephone number/],
  ['sip:12025550123@192.0.2.9', /telephone number/],
  ['sip:12025550123-0x562428372590@192.0.2.9', /telephone number/],
  // B5: the account itself, as a Cisco 79xx writes it, and in other spellings; anybody else is to be dialled.
  ['sip:6040@192.0.2.9:5060;user=phone;transport=udp', null],
  ['sips:%36040@192.0.2.9;user=dialstring', null],
  ['sip:6041@192.0.2.9;user=phone', /to be dialled/],
  ['sip:60401@192.0.2.9;user=phone', /to be dialled/],
  ['sip:192.0.2.9;user=phone', /to be dialled/],
  ['sip:6040-0x562428372590@192.0.2.9;user=phone', /to be dialled/],
  ['sip:6040;phone-context=+44@192.0.2.9;user=phone', /telephone network/],
  ['sip:6040@192.0.2.9;user=phone;tgrp=x', /telephone network/],
  ['sip:6040@198.51.100.20;user=phone', /carrier/],
  ['sip:6040;npdi@192.0.2.9', /telephone network/],
  ['sip:6040@192.0.2.9?Replaces=a', /headers/],
  ['sip:6040@192.0.2.9;maddr=198.51.100.1', /maddr/],
  ['sip:6040@198.51.100.20', /carrier/],
  ['sip:6040@wa.meta.vc', /Meta/],
  ['sip:6040@10.0.0.9', /peer gw/],
];

t.test(`Contacts of a registered user (${rows.length} rows)`, async (t) => {
  for (const [contact, objection] of rows) {
    const found = objectsToContact(policy, parseUri(contact)!, '6040');
    if (objection === null) t.equal(found, null, contact);
    else t.match(found, objection, contact);
  }
});

t.test('B5: an account that is a telephone number, or a name, in the spellings of phones', async (t) => {
  const objection = (contact: string, account: string): string | null => objectsToContact(policy, parseUri(contact)!, account);
  for (const user of ['+447700900123', '447700900123', '00447700900123', '+44-7700-900-123']) t.equal(objection(`sip:${user}@192.0.2.9;user=phone`, '+447700900123'), null, user);
  t.equal(objection('sip:+447700900123@192.0.2.9;user=phone', '447700900123'), null);
  t.match(objection('sip:+447700900124@192.0.2.9;user=phone', '+447700900123'), /to be dialled/);
  t.match(objection('sip:07700900123@192.0.2.9', '+447700900123'), /telephone number/, 'a national form may be another number elsewhere');
  t.equal(objection('sip:Anna.Smith@192.0.2.9;user=phone', 'anna.smith'), null);
});
