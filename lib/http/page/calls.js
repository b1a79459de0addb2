import { get } from './data.js';
import { el, setText } from './dom.js';
import { directions, duration, parties, quality } from './format.js';
import { table } from './table.js';

/** Calls whose quality is asked for, one after another, and every so many ms. */
const looked = 25;
const lookEvery = 4000;

const tones = { answered: 'good', ringing: 'warn' };

/** Calls that are up: who, since when, state, quality. */
export function callsView() {
  const qualities = new Map();
  let calls = [];
  let closed = false;
  const counts = Object.fromEntries(['up', 'answered', 'ringing', 'held'].map((name) => [name, el('dd', { class: 'number', id: `count-${name}` }, '–')]));
  const list = table({
    label: 'Calls that are up', empty: 'No call is up.', key: ({ id }) => id,
    columns: [
      { head: 'From', cell: (call) => ({ text: parties(call).from, href: `#call/${call.id}` }) },
      { head: 'To', cell: (call) => parties(call).to },
      { head: 'Peer', cell: (call) => parties(call).peer },
      { head: 'Direction', cell: ({ direction }) => directions[direction] ?? direction },
      { head: 'State', cell: ({ state, held }) => ({ text: held ? 'on hold' : state, tone: held ? 'warn' : tones[state] ?? '' }) },
      { head: 'For', number: true, cell: ({ startedAt, answeredAt }) => ({ text: duration(Date.now() - Date.parse(answeredAt ?? startedAt)), since: answeredAt ?? startedAt }) },
      { head: 'Quality', cell: ({ id }) => qualities.get(id) ?? '–' },
    ],
  });
  const draw = () => {
    list.update(calls);
    const of = (wanted) => calls.filter(wanted).length;
    setText(counts.up, calls.length);
    setText(counts.answered, of(({ state }) => state === 'answered'));
    setText(counts.ringing, of(({ state }) => state === 'ringing'));
    setText(counts.held, of(({ held }) => held));
  };
  const lookAtQuality = async () => {
    for (const { id } of calls.filter(({ state }) => state === 'answered').slice(0, looked)) {
      if (closed) return;
      const figures = await get(`v1/calls/${id}/media`).catch(() => null);
      if (figures !== null) qualities.set(id, quality(figures));
    }
    for (const id of qualities.keys()) if (!calls.some((call) => call.id === id)) qualities.delete(id);
    draw();
  };
  let timer = null;
  const again = async () => {
    if (!document.hidden) await lookAtQuality();
    if (!closed) timer = setTimeout(again, lookEvery);
  };
  return {
    title: 'Calls now',
    element: el('div', {},
      el('dl', { class: 'cards' }, [['up', 'Calls up'], ['answered', 'Answered'], ['ringing', 'Ringing'], ['held', 'On hold']].map(([name, label]) => el('div', {}, el('dt', {}, label), counts[name]))),
      list.element),
    wants: ({ type }) => type.startsWith('call.'),
    every: 15_000,
    async refresh() {
      ({ calls } = await get('v1/calls'));
      draw();
      if (timer === null && !closed) timer = setTimeout(again, 500);
    },
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
