import t from 'tap';
import { parseConfig } from '../../../lib/config/load.js';
import { compileHours, timeOf } from '../../../lib/routing/hours.js';
import { compileRouting, selectRoute } from '../../../lib/routing/index.js';
import { stringify } from 'yaml';

const number = '+447700900001';

/** The hours of a file. */
function hoursOf(hours: object) {
  const config = parseConfig(stringify({
    domain: 'sbc.example.net', sip: { tls: { cert: 'c', key: 'k' } }, numbers: { [number]: { password: 'x' } }, hours: { office: hours },
  }), { env: {}, path: 'test' });
  return compileHours('office', config.hours['office']!);
}

t.test('open and closed, by the clocks of the place', (t) => {
  const office = hoursOf({
    timezone: 'Europe/London', week: { 'mon-thu': ['09:00-12:30', '13:30-17:30'], fri: ['09:00-16:00'], 'sat-sun': [] },
    holidays: ['2026-12-25', { date: '2026-12-24', spans: ['09:00-12:00'] }],
  });
  const rows: readonly (readonly [time: string, open: boolean, why: RegExp])[] = [
    ['2026-11-30T08:59:59Z', false, /mon 2026-11-30 08:59 in Europe\/London, and mon has 09:00-12:30, 13:30-17:30/],
    ['2026-11-30T09:00:00Z', true, /office is open/],
    ['2026-11-30T12:29:59Z', true, /open/],
    ['2026-11-30T12:30:00Z', false, /office is closed/],
    ['2026-11-30T13:30:00Z', true, /open/],
    ['2026-06-01T08:00:00Z', true, /mon 2026-06-01 09:00 in/],
    ['2026-06-01T16:30:00Z', false, /17:30/],
    ['2026-11-28T10:00:00Z', false, /sat has no hours/],
    ['2026-12-25T10:00:00Z', false, /the holiday 2026-12-25 has no hours/],
    ['2026-12-24T11:59:00Z', true, /the holiday 2026-12-24 has 09:00-12:00/],
    ['2026-12-24T14:00:00Z', false, /the holiday 2026-12-24 has 09:00-12:00/],
  ];
  for (const [time, open, why] of rows) {
    const opening = office(Date.parse(time));
    t.equal(opening.open, open, `${time}: ${opening.why}`);
    t.match(opening.why, why);
  }
  t.end();
});

t.test('the nights in which clocks are changed, midnight, and places without such nights', (t) => {
  const night = hoursOf({ timezone: 'Europe/London', week: { 'mon-sun': ['00:00-00:30', '01:15-01:45', '23:30-24:00'] } });
  const open = (time: string): boolean => night(Date.parse(time)).open;
  t.same([open('2026-10-25T00:30Z'), open('2026-10-25T01:30Z')], [true, true], '01:30 comes twice, and is open twice');
  t.equal(open('2026-10-25T02:30Z'), false);
  t.equal(open('2026-03-29T01:30Z'), false, 'in March it does not come: it is 02:30');
  t.same([open('2026-03-29T00:29Z'), open('2026-03-29T22:30Z'), open('2026-03-29T22:59:59.999Z'), open('2026-03-29T23:00Z')], [true, true, true, true], 'over midnight, as summer time');
  t.equal(open('2026-03-29T23:30Z'), false);

  const far = hoursOf({ timezone: 'Asia/Kathmandu', week: { 'sun-thu': ['10:00-17:00'] }, holidays: ['2026-11-29'] });
  t.equal(far(Date.parse('2026-11-29T04:15Z')).open, false, 'the date of the place');
  t.equal(far(Date.parse('2026-11-30T04:14Z')).open, false);
  t.equal(far(Date.parse('2026-11-30T04:15Z')).open, true, '5 h 45 min ahead');
  const wrapping = hoursOf({ timezone: 'America/St_Johns', week: { 'sat-mon': ['00:00-24:00'] } });
  t.same(['2026-11-27T12:00Z', '2026-11-28T12:00Z', '2026-11-29T12:00Z', '2026-11-30T12:00Z', '2026-12-01T12:00Z'].map((time) => wrapping(Date.parse(time)).open), [false, true, true, true, false]);
  t.end();
});

t.test('times as they are written', (t) => {
  const rows: readonly (readonly [text: string, zone: string, time: string | null])[] = [
    ['2026-12-25T10:00', 'Europe/London', '2026-12-25T10:00Z'], ['2026-06-01T10:00', 'Europe/London', '2026-06-01T09:00Z'], ['2026-06-01 10:00:30', 'Europe/London', '2026-06-01T09:00:30Z'],
    ['2026-06-01', 'Asia/Kathmandu', '2026-05-31T18:15Z'], ['2026-06-01T10:00Z', 'Asia/Kathmandu', '2026-06-01T10:00Z'], ['2026-06-01T10:00+05:30', 'UTC', '2026-06-01T04:30Z'],
    ['2026-10-25T01:30', 'Europe/London', '2026-10-25T00:30Z'], ['2026-03-29T01:30', 'Europe/London', '2026-03-29T01:30Z'], ['2026-03-08T02:30', 'America/New_York', '2026-03-08T07:30Z'],
    ['2026-11-01T01:30', 'America/New_York', '2026-11-01T05:30Z'],
    ['2026-02-30', 'UTC', null], ['2026-02-29T10:00Z', 'UTC', null], ['tomorrow', 'UTC', null], ['2026-06-01T25:00', 'UTC', null], ['', 'UTC', null], ['2026-6-1', 'UTC', null],
  ];
  for (const [text, zone, time] of rows) t.equal(timeOf(text, zone), time === null ? null : Date.parse(time), `${text} in ${zone}`);
  t.end();
});

t.test('a route goes where its hours say', (t) => {
  const office = { timezone: 'Europe/London', week: { 'mon-fri': ['09:00-17:00'] } };
  const config = parseConfig(stringify({
    domain: 'sbc.example.net', sip: { tls: { cert: 'c', key: 'k' } }, numbers: { [number]: { password: 'x' }, '+447700900002': { password: 'x' } }, hours: { office },
    peers: { pbx: { uri: 'sip:10.0.0.7', pstn: 'none', users: ['6[0-9]{3}'] } }, menus: { main: { prompt: '/menu.wav', keys: { 1: { play: 'one.wav' } } } },
    routes: [
      { name: 'a', number, hours: 'office', closed: { play: 'closed.wav' }, menu: 'main', unanswered: { status: 486 } },
      { name: 'b', number: '+447700900002', hours: 'office', to: [{ peer: 'pbx', user: '6001' }], ringTimeout: 7, strategy: 'ring-all' },
    ],
  }), { env: {}, path: '/etc/wab/test.yaml' });
  const routing = compileRouting(config);
  const at = (called: string, time: string): object => selectRoute(routing, { number: called, user: '+447700900101', payload: null, time: Date.parse(time) });
  t.match(at(number, '2026-11-30T10:00Z'), { found: true, hours: { name: 'office', open: true }, destination: { kind: 'menu', name: 'main' }, unanswered: { kind: 'refuse', status: 486 } });
  t.match(at(number, '2026-11-29T10:00Z'), { found: true, hours: { open: false }, destination: { kind: 'play', file: '/etc/wab/closed.wav' } });
  t.match(at('+447700900002', '2026-11-30T10:00Z'), { destination: { kind: 'ring', to: [{ peer: 'pbx', user: '6001' }], ringTimeout: 7, strategy: 'ring-all' }, unanswered: null });
  t.match(at('+447700900002', '2026-11-29T10:00Z'), { destination: { kind: 'refuse', status: 480 } });
  t.equal(config.menus['main']?.prompt, '/menu.wav');
  t.end();
});
