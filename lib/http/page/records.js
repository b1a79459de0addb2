import { get } from './data.js';
import { el, setText } from './dom.js';
import { duration, parties, time } from './format.js';
import { table } from './table.js';

const fields = [
  ['from', 'From', 'datetime-local'], ['to', 'To', 'datetime-local'], ['number', 'Business number', 'tel'], ['user', 'User', 'text'], ['peer', 'Peer', 'text'], ['reason', 'Reason, e.g. busy', 'text'],
];
const pageSize = 50;

/** Search in the call records. */
export function recordsView() {
  let found = [];
  let next = null;
  let asked = null;
  const inputs = Object.fromEntries(fields.map(([name, , type]) => [name, el('input', { id: `find-${name}`, name, type, autocomplete: 'off', spellcheck: 'false' })]));
  const note = el('p', { class: 'note', role: 'status' });
  const more = el('button', { type: 'button', hidden: true }, 'More');
  const list = table({
    label: 'Call records', empty: 'No record fits.', key: ({ id }) => id,
    columns: [
      { head: 'When', cell: ({ id, time: at }) => ({ text: time(at), href: `#call/${id}` }) },
      { head: 'From', cell: (record) => parties(asCall(record)).from },
      { head: 'To', cell: (record) => parties(asCall(record)).to },
      { head: 'Peer', cell: (record) => parties(asCall(record)).peer },
      { head: 'Talked', number: true, cell: ({ durationMs }) => duration(durationMs) },
      { head: 'End', cell: ({ termination: { by, reason, status } }) => `${by} ${reason} ${status}` },
      { head: 'What happened', cell: ({ termination: { text } }) => text },
    ],
  });
  const look = async (cursor) => {
    const query = new URLSearchParams({ limit: String(pageSize) });
    for (const [name, , type] of fields) {
      const value = inputs[name].value.trim();
      if (value !== '') query.set(name, type === 'datetime-local' ? new Date(value).toISOString() : value);
    }
    if (cursor !== null) query.set('cursor', cursor);
    const mine = asked = query.toString();
    const page = await get(`v1/records?${mine}`);
    if (mine !== asked) return;
    found = cursor === null ? page.records : [...found, ...page.records];
    next = page.next;
    list.update(found);
    more.hidden = next === null;
    setText(note, `${found.length}${next === null ? '' : ' and more'} records.${page.upToDate ? '' : ' They are still being read: there may be more.'}`);
  };
  const tell = (error) => setText(note, error.message);
  more.addEventListener('click', () => void look(next).catch(tell));
  const submit = (event) => {
    event.preventDefault();
    void look(null).catch(tell);
  };
  return {
    title: 'Search in call records',
    element: el('div', {},
      el('form', { class: 'fields', role: 'search', onsubmit: submit }, fields.map(([name, label]) => el('label', { for: `find-${name}` }, label, inputs[name])), el('button', { type: 'submit', class: 'main' }, 'Search')),
      note, list.element, el('div', { class: 'buttons' }, more)),
    // What somebody reads does not move: a search is made when asked for.
    wants: () => false,
    refresh: async () => { if (asked === null) await look(null); },
  };
}

function asCall({ direction, user, number, peer, target, account }) {
  return { direction, user, number, peer, peerUser: target ?? account };
}
