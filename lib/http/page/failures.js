import { get } from './data.js';
import { el } from './dom.js';
import { parties, time } from './format.js';
import { table } from './table.js';

const tones = { client: 'warn', server: 'bad', upstream: 'bad', indeterminate: 'warn' };
const meanings = { client: 'asked for what may not be', server: 'this service, or its settings', upstream: 'the far end', indeterminate: 'unknown whose' };

/** Calls that ended lately and not as people chose, each with what to do about it. */
export function failuresView() {
  const note = el('p', { class: 'note', role: 'status' });
  const list = table({
    label: 'Calls that failed lately', empty: 'None of the calls that ended lately has failed.', key: ({ id }) => id,
    columns: [
      { head: 'When', cell: ({ id, endedAt }) => ({ text: time(endedAt), href: `#call/${id}` }) },
      { head: 'From', cell: (call) => parties(call).from },
      { head: 'To', cell: (call) => parties(call).to },
      { head: 'Why', cell: ({ termination: { by, reason, status } }) => `${by} ${reason} ${status}` },
      { head: 'Whose', cell: ({ termination: { result } }) => ({ text: meanings[result] ?? result, tone: tones[result] ?? '' }) },
      { head: 'What happened', cell: ({ termination: { text } }) => text },
      { head: 'What to do', cell: ({ advice }) => advice ?? 'nothing' },
    ],
  });
  return {
    title: 'Recent failures',
    element: el('div', {}, note, list.element),
    wants: ({ type }) => type === 'call.ended',
    every: 30_000,
    async refresh() {
      const { calls } = await get('v1/recent');
      const failed = calls.filter(({ termination: { result } }) => result !== 'success');
      note.textContent = `${failed.length} of the last ${calls.length} calls.`;
      list.update(failed);
    },
  };
}
