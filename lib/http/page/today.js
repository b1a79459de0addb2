import { bars } from './chart.js';
import { get, Refused } from './data.js';
import { el, fill } from './dom.js';
import { duration, share } from './format.js';
import { table } from './table.js';

const hourMs = 3_600_000;

/** The day in charts: of the records where they are indexed, else of the calls that ended since the start. */
export function todayView({ paths }) {
  const indexed = '/v1/analytics' in paths;
  const cards = el('dl', { class: 'cards' });
  const charts = el('div');
  const ends = table({
    label: 'How calls ended', empty: 'No call has ended today.', key: ({ name }) => name,
    columns: [{ head: 'End', cell: ({ name }) => name }, { head: 'Calls', number: true, cell: ({ all, most }) => ({ text: all, meter: [all, most] }) }, { head: 'Answered', number: true, cell: ({ part }) => part }],
  });
  const note = el('p', { class: 'note' });
  return {
    title: 'Today',
    element: el('div', {}, note, cards, charts, el('h2', {}, 'How they ended'), ends.element),
    wants: ({ type }) => type === 'call.ended',
    every: 60_000,
    async refresh() {
      const from = new Date();
      from.setHours(0, 0, 0, 0);
      const { hours, reasons, total, of } = (indexed ? await ofRecords(from) : null) ?? ofRecent((await get('v1/recent')).calls, from);
      fill(note, of);
      fill(cards, [
        ['Calls', total.calls], ['Answered', total.answered], ['Answer rate', share(total.calls === 0 ? null : total.answered / total.calls)], ['Pick-up rate of users’ calls', share(total.pickUp)], ['Average talk', duration(total.average)],
      ].map(([label, value]) => el('div', {}, el('dt', {}, label), el('dd', {}, value))));
      // What somebody has opened stays open.
      const open = charts.querySelector('details')?.open ?? false;
      fill(charts, el('div', { class: 'box' }, bars({ label: 'Calls by the hour', bars: hours, all: 'calls', part: 'answered' })));
      charts.querySelector('details').open = open;
      ends.update(reasons.map((one) => ({ ...one, most: reasons[0].all })));
    },
  };
}

/** Null where they cannot be asked now. */
async function ofRecords(from) {
  const span = `from=${encodeURIComponent(from.toISOString())}&to=${encodeURIComponent(new Date().toISOString())}`;
  const asked = ['hour', 'reason'].map((by) => get(`v1/analytics?${span}&by=${by}`));
  const [byHour, byReason] = await Promise.all(asked).catch((error) => {
    if (error instanceof Refused && error.status !== 401) return [null, null];
    throw error;
  });
  if (byHour === null) return null;
  const found = new Map(byHour.groups.map((group) => [new Date(group.key).getTime(), group]));
  const { calls, answered, userInitiated, seconds } = byHour.total;
  return {
    of: `Of the call records since midnight.${byHour.upToDate ? '' : ' They are still being read.'}`,
    hours: hoursSince(from).map((at) => ({ name: hourName(at), all: found.get(at)?.calls ?? 0, part: found.get(at)?.answered ?? 0 })),
    reasons: byReason.groups.slice(0, 12).map((group) => ({ name: group.key ?? '–', all: group.calls, part: group.answered })),
    total: { calls, answered, pickUp: userInitiated.pickUpRate, average: seconds.average === null ? null : seconds.average * 1000 },
  };
}

function ofRecent(all, from) {
  const calls = all.filter(({ startedAt }) => Date.parse(startedAt) >= from.getTime());
  const isAnswered = ({ durationMs }) => durationMs !== null;
  const bar = (name, of) => ({ name, all: of.length, part: of.filter(isAnswered).length });
  const groups = Map.groupBy(calls, ({ termination: { by, reason } }) => `${by} ${reason}`);
  const fromUsers = calls.filter(({ direction }) => direction === 'user-initiated');
  const talked = calls.filter(isAnswered);
  return {
    of: `Of the calls since midnight that this process remembers: the last ${all.length}.`,
    hours: hoursSince(from).map((at) => bar(hourName(at), calls.filter(({ startedAt }) => Date.parse(startedAt) >= at && Date.parse(startedAt) < at + hourMs))),
    reasons: [...groups].sort(([, a], [, b]) => b.length - a.length).slice(0, 12).map(([name, of]) => bar(name, of)),
    total: {
      calls: calls.length, answered: talked.length, pickUp: fromUsers.length === 0 ? null : fromUsers.filter(isAnswered).length / fromUsers.length,
      average: talked.length === 0 ? null : talked.reduce((sum, { durationMs }) => sum + durationMs, 0) / talked.length,
    },
  };
}

function hoursSince(from) {
  return Array.from({ length: 24 }, (_, hour) => new Date(from).setHours(hour)).filter((at) => at <= Date.now());
}

function hourName(at) {
  return String(new Date(at).getHours()).padStart(2, '0');
}
