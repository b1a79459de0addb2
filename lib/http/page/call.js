import { lines } from './chart.js';
import { get } from './data.js';
import { el, fill, setText } from './dom.js';
import { directions, duration, figure, parties, quality, time } from './format.js';
import { ladder } from './ladder.js';
import { table } from './table.js';

const lookEvery = 2000;
/** Looks that are drawn: four minutes. */
const most = 120;

const figures = [
  ['codec', 'Codec'], ['keying', 'Keying'], ['packetsIn', 'Packets to us'], ['packetsOut', 'Packets from us'], ['lost', 'Lost on the way to us'],
  ['silentMs', 'Silent, ms'], ['jitterMs', 'Jitter, ms'], ['roundTripMs', 'Round trip, ms'], ['mos', 'MOS, estimated'],
];

/** One call, up or over: how it stands, its ladder, its media as it runs. */
export function callView(id) {
  const facts = el('dl', { class: 'cards' });
  const draw = ladder();
  const media = table({
    label: 'Media figures of both legs', empty: 'No media yet.', key: ([name]) => name,
    columns: [{ head: 'Figure', cell: ([, label]) => label }, { head: 'Meta', number: true, cell: ([, , meta]) => meta }, { head: 'Peer', number: true, cell: ([, , , peer]) => peer }],
  });
  const course = el('div', { class: 'box' });
  const end = el('p', { class: 'note' });
  const seen = [];
  let over = false;

  const drawCourse = (now) => {
    seen.push({ at: performance.now(), meta: now?.meta?.packetsIn ?? null, peer: now?.peer?.packetsIn ?? null });
    if (seen.length > most) seen.shift();
    const rate = (leg) => seen.slice(1).map((one, at) => {
      const before = seen[at];
      return one[leg] === null || before[leg] === null ? null : Math.max(0, (one[leg] - before[leg]) / ((one.at - before.at) / 1000));
    });
    course.hidden = seen.length < 3;
    if (seen.length >= 3) fill(course, lines({ label: 'Packets a second to us', series: [['Meta', rate('meta')], ['peer', rate('peer')]] }));
  };

  const drawFacts = (call) => {
    const { state, held, startedAt, answeredAt, setupMs, durationMs } = call;
    const since = over ? null : answeredAt;
    const cards = [
      ['State', held ? 'on hold' : state], ['From', parties(call).from, 'text'], ['To', parties(call).to, 'text'], ['Peer', parties(call).peer, 'text'], ['Direction', directions[call.direction], 'text'], ['Began', time(startedAt), 'text'],
      ['Set-up', setupMs === null ? '–' : `${Math.round(setupMs)} ms`], ['Talked', duration(durationMs), '', since], ['Quality', quality(call.media).text],
    ];
    fill(facts, cards.map(([label, value, kind = '', from = null]) => el('div', {}, el('dt', {}, label), el('dd', { class: kind, 'data-since': from }, value))));
    setText(end, call.termination === null ? '' : `Ended by ${call.termination.by}: ${call.termination.reason}, ${call.termination.status}. ${call.termination.text}`);
  };

  const files = [['ladder', 'Ladder as text'], ['sip', 'Messages as text'], ['pcap', 'For Wireshark']];
  return {
    title: 'Call',
    element: el('div', {}, el('p', { class: 'note' }, id), facts, end, el('h2', {}, 'Ladder'), draw.element,
      el('ul', { class: 'links', 'aria-label': 'The same as files' }, files.map(([name, label]) => el('li', {}, el('a', { href: `v1/calls/${id}/${name}`, target: name === 'pcap' ? null : '_blank', rel: 'noopener' }, label)))),
      el('h2', {}, 'Media'), media.element, course),
    wants: ({ type, call }) => type.startsWith('call.') && call === id,
    every: lookEvery,
    async refresh() {
      if (over) return;
      const [call, { messages }] = await Promise.all([get(`v1/calls/${id}`), get(`v1/calls/${id}/messages`)]);
      // Once more after the end: the answers to its last messages are still on their way.
      over = call.state === 'ended' && Date.now() - Date.parse(call.startedAt) - (call.setupMs ?? 0) - (call.durationMs ?? 0) > 5000;
      drawFacts(call);
      draw.update(messages);
      media.update(call.media === null ? [] : figures.map(([name, label]) => [name, label, shownFigure(call.media.meta?.[name]), shownFigure(call.media.peer?.[name])]));
      if (call.state !== 'ended') drawCourse(call.media);
    },
    close: () => draw.close(),
  };
}

function shownFigure(value) {
  return typeof value === 'string' ? value : figure(value);
}
