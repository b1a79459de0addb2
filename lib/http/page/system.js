import { get } from './data.js';
import { el, fill } from './dom.js';
import { figure, time } from './format.js';
import { table } from './table.js';

const up = (good, word, other) => ({ text: good ? word : other, tone: good ? 'good' : 'bad' });

/** Peers, registrations, engines, and what happened to them since the page is open. */
export function systemView({ news }) {
  const cards = el('dl', { class: 'cards' });
  const peers = table({
    label: 'Peers', empty: 'No peer is asked for its health.', key: ({ peer }) => peer,
    columns: [
      { head: 'Peer', cell: ({ peer }) => peer },
      { head: 'Health', cell: ({ state, reason, why }) => ({ text: [state, reason ?? why].filter(Boolean).join(': '), tone: state === 'out' ? 'bad' : state === 'up' ? 'good' : 'warn' }) },
      { head: 'Since', cell: ({ since }) => time(since) },
      { head: 'Round trip', number: true, cell: ({ roundTripMs }) => figure(roundTripMs, ' ms') },
    ],
  });
  const engines = table({
    label: 'Engines', empty: 'There is none.', key: ({ name }) => name,
    columns: [
      { head: 'Engine', cell: ({ name }) => name },
      { head: 'State', cell: ({ good }) => up(good, 'up', 'down') },
      { head: 'Calls', number: true, cell: ({ calls }) => figure(calls) },
      { head: 'Detail', cell: ({ detail }) => detail },
    ],
  });
  const queues = table({
    label: 'Queues', empty: 'There is none.', key: ({ queue }) => queue,
    columns: [
      { head: 'Queue', cell: ({ queue }) => queue },
      { head: 'Waiting', number: true, cell: ({ waiting }) => figure(waiting) },
      { head: 'Longest', number: true, cell: ({ longestMs }) => figure(longestMs === null ? null : Math.round(longestMs / 1000), ' s') },
      { head: 'Free', number: true, cell: ({ free }) => figure(free) },
      { head: 'Busy', number: true, cell: ({ busy }) => figure(busy) },
      { head: 'To call back', number: true, cell: ({ callBacks }) => figure(callBacks) },
    ],
  });
  const devices = table({
    label: 'Registrations', empty: 'No phone is registered.', key: ({ peer, user, contact }) => `${peer} ${user} ${contact}`,
    columns: [
      { head: 'User', cell: ({ user }) => user },
      { head: 'Peer', cell: ({ peer }) => peer },
      { head: 'Contact', cell: ({ contact }) => contact },
      { head: 'From', cell: ({ from }) => from },
      { head: 'Program', cell: ({ userAgent }) => userAgent ?? '–' },
      { head: 'Until', cell: ({ expires }) => time(expires) },
    ],
  });
  const happened = table({
    label: 'What happened', empty: 'Nothing since this page is open.', key: ({ id }) => id,
    columns: [{ head: 'When', cell: (event) => time(event.time) }, { head: 'What', cell: ({ type }) => type }, { head: 'Detail', cell: ({ data }) => words(data) }],
  });
  return {
    title: 'System',
    element: el('div', {}, cards, el('h2', {}, 'Peers'), peers.element, el('h2', {}, 'Engines'), engines.element, el('h2', {}, 'Queues'), queues.element, el('h2', {}, 'Registrations'), devices.element, el('h2', {}, 'Lately'), happened.element),
    wants: ({ type }) => !type.startsWith('call.'),
    every: 5000,
    async refresh() {
      const [status, ready] = await Promise.all([get('status'), get('ready').then(() => null, (error) => error.message)]);
      const { media, sip } = status;
      const late = media.workers.map(({ lagMs }) => lagMs);
      fill(cards, [
        ['Service', ready === null ? 'ready' : 'not ready'], ['Calls', status.calls], ['Media threads', media.workers.length], ['Latest timer', late.length === 0 ? '–' : `${Math.max(...late).toFixed(1)} ms`],
        ['Phones', status.registrations.length], ['Bans', status.bans.length],
      ].map(([label, value]) => el('div', {}, el('dt', {}, label), el('dd', {}, value))));
      peers.update(status.peers);
      engines.update([
        ...sip.map(({ address, up: good }) => ({ name: `SIP ${address}`, good, calls: null, detail: '' })),
        ...media.instances.map(({ address, healthy, version, calls }) => ({ name: `media ${address}`, good: healthy, calls, detail: version ?? '' })),
      ]);
      queues.update(status.queues);
      devices.update(status.registrations);
      happened.update(news);
    },
  };
}

function words(data) {
  return Object.entries(data).filter(([, value]) => value !== null && value !== '').map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`).join(', ');
}
