import fc from 'fast-check';
import { getCountries, getCountryCallingCode, parsePhoneNumberFromString } from 'libphonenumber-js/max';
import t from 'tap';
import { isPlainlyPossible } from '../../../lib/policy/dialling.js';
import { countryOf, isBsuid, readDialled, sanctionedPlace } from '../../../lib/policy/numbers.js';

t.test('what a peer dials, and whom it means', async (t) => {
  const rows: readonly (readonly [dialled: string, country: string | null, user: string | null])[] = [
    ['+447700900101', null, '+447700900101'], ['447700900101', null, '+447700900101'], ['00447700900101', null, '+447700900101'], ['+44 7700 900101', null, '+447700900101'], ['+44-(7700)-900101', null, '+447700900101'],
    ['07700900101', 'GB', '+447700900101'], ['07700 900101', 'GB', '+447700900101'], ['00447700900101', 'GB', '+447700900101'], ['011447700900101', 'US', '+447700900101'], ['2025550123', 'US', '+12025550123'], ['12025550123', 'US', '+12025550123'],
    ['+5559800000693', null, '+5559800000693'], ['+393331234567', null, '+393331234567'], ['+39061234567', null, '+39061234567'],
    ['US.13491208655302741918', null, 'US.13491208655302741918'], ['US.ENT.11815799212886844830', 'GB', 'US.ENT.11815799212886844830'],
    ['07700900101', null, null], ['6001', null, null], ['6001', 'GB', null], ['+44', null, null], ['+4477009001011234', null, null], ['+0123456789', null, null], ['112', 'GB', null], ['anna', 'GB', null], ['', 'GB', null], ['us.123', null, null], ['+999123456789', null, null],
  ];
  for (const [dialled, country, user] of rows) {
    const read = readDialled(dialled, country);
    t.equal('user' in read ? read.user : null, user, `${dialled} in ${country}: ${JSON.stringify(read)}`);
    if ('problem' in read) t.ok(read.problem.length > 10);
  }
});

t.test('the short way to judge a number gives what the library gives', async (t) => {
  const codes = [...new Set(getCountries().map((country) => getCountryCallingCode(country)))];
  let short = 0;
  fc.assert(fc.property(fc.constantFrom(...codes), fc.stringMatching(/^[0-9]{3,14}$/), (code, rest) => {
    const number = `+${code}${rest}`;
    if (!isPlainlyPossible(number)) return true;
    short += 1;
    const parsed = parsePhoneNumberFromString(number);
    return parsed?.isPossible() === true && parsed.number === number;
  }), { numRuns: 5000 });
  t.ok(short > 300, `${short} were told by their length`);
  for (const number of ['+447700900101', '+12025550123', '+4915123456789']) t.ok(isPlainlyPossible(number), number);
});

t.test('countries and places', async (t) => {
  t.same(['+447700900001', '+12025550123', '+201001234567', '+841234567', '+15550100001', '+999'].map(countryOf), ['GB', 'US', 'EG', 'VN', 'US', null]);
  t.same(['+5352345678', 'CU.12345678', '+989121234567', '+963944123456', '+8501921234567', '+79781234567', '+380652123456', '+380622123456', '+380642123456', '+447700900101', 'GB.1'].map(sanctionedPlace),
    ['Cuba', 'Cuba', 'Iran', 'Syria', 'North Korea', 'Crimea', 'Crimea', 'Donetsk', 'Luhansk', null, null]);
  t.same(['US.1', 'US.ENT.1', 'US.', 'USA.1', 'us.1', 'US.1.2', `US.${'1'.repeat(129)}`].map(isBsuid), [true, true, false, false, false, false, false]);
});
