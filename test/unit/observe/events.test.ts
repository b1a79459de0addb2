import t from 'tap';
import { Observer } from '../../../lib/util/observer.js';
import { isTypeFilter } from '../../../lib/config/eventTypes.js';
import { EventBus, wantsType } from '../../../lib/observe/events.js';

t.test('a listener that throws is told of, and hurts neither the others nor who tells', (t) => {
  const faults: unknown[] = [];
  const heard: number[] = [];
  const observer = new Observer<number>((error) => faults.push((error as Error).message));
  const away = observer.listen((n) => { heard.push(n); });
  observer.listen(() => { throw new Error('boom'); });
  observer.listen((n) => { heard.push(-n); });
  observer.tell(1);
  away();
  observer.tell(2);
  t.same([heard, faults], [[1, -1, -2], ['boom', 'boom']]);
  t.end();
});

t.test('a listener that comes or goes while it is told changes nothing of that', (t) => {
  const heard: string[] = [];
  const observer = new Observer<string>(() => undefined);
  const away = observer.listen((what) => {
    heard.push(`a ${what}`);
    away();
    observer.listen((later) => { heard.push(`c ${later}`); });
  });
  observer.listen((what) => { heard.push(`b ${what}`); });
  observer.tell('1');
  observer.tell('2');
  t.same(heard, ['a 1', 'b 1', 'b 2', 'c 2']);
  t.end();
});

t.test('the ring keeps the last, by number and by id', (t) => {
  const bus = new EventBus({ keep: 3, now: () => 0, business: () => new Set(), onFault: () => undefined });
  t.same([bus.at(0), bus.at(1), bus.oldest, bus.next], [null, null, 1, 1]);
  const ids: string[] = [];
  bus.listen(({ id }) => { ids.push(id); });
  for (let n = 1; n <= 7; n += 1) bus.tell('peer.up', null, { n });
  t.same([4, 5, 6, 7, 8].map((seq) => bus.at(seq)?.seq), [undefined, 5, 6, 7, undefined]);
  t.same(ids.map((id) => bus.after(id)), [null, null, null, 5, 6, 7, 8], 'after the one before the oldest nothing is missing');
  t.equal(JSON.parse(bus.at(7)?.json(true) ?? '').time, '1970-01-01T00:00:00.000Z');
  t.end();
});

t.test('filters', (t) => {
  t.same(['*', 'call.*', 'call.ended', 'peer.*', 'events.gap'].map(isTypeFilter), [true, true, true, true, true]);
  t.same(['', '.*', 'call', 'call.', 'call.*.x', 'Call.*', 'call.ende', '**', 'constructor'].map(isTypeFilter), Array(9).fill(false));
  const wants = wantsType(['call.*']);
  t.same([wants('call.ended'), wants('peer.up'), wants('events.gap')], [true, false, true]);
  t.end();
});

t.test('who may not see users sees none in a text either: without its plus, in an id of Meta\'s, in a reference', (t) => {
  const bus = new EventBus({ keep: 3, now: () => 0, business: () => new Set(['+447700900001']), onFault: () => undefined });
  const wacid = `wacid.HBgM${Buffer.from('447700900101').toString('base64')}FQIAEhggQTBC`;
  bus.tell('call.ended', 'c', { user: '+447700900101', number: '+447700900001', wacid, reference: 'call +447700900101', text: '404 447700900101 is not here' });
  t.notMatch(bus.at(1)?.json(false), /900101|NDQ3NzAwOTAwMTAx/);
  t.match(bus.at(1)?.json(false), /"number":"\+447700900001".*"wacid":"wacid.HBgM\*{16}FQIAEhggQTBC"/);
  t.match(JSON.parse(bus.at(1)?.json(true) ?? '').data, { wacid, text: '404 447700900101 is not here' });
  t.end();
});
