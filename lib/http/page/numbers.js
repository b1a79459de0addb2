import { get } from './data.js';
import { el } from './dom.js';
import { table } from './table.js';

/** Business numbers: calls against their limits, and how they stand at Meta. */
export function numbersView() {
  const list = table({
    label: 'Business numbers', empty: 'No number is in the configuration.', key: ({ number }) => number,
    columns: [
      { head: 'Number', cell: ({ number }) => number },
      { head: 'Calls up', number: true, cell: ({ calls: { now, most } }) => ({ text: `${now} of ${most}`, meter: [now, most], isLimit: true }) },
      { head: 'New calls, 24 h', number: true, cell: ({ newCalls: { used, most } }) => ({ text: `${used} of ${most}`, meter: [used, most], isLimit: true }) },
      { head: 'Permission', cell: ({ permission }) => permission },
      { head: 'Keying', cell: ({ keying }) => keying },
      { head: 'Environment', cell: ({ environment }) => environment },
      { head: 'At Meta', cell: ({ settings }) => health(settings) },
    ],
  });
  return {
    title: 'Numbers', element: el('div', {}, list.element, el('p', { class: 'note' }, 'Limits are those of the configuration; what is at Meta is looked at every graph.verifyEvery seconds, where graph is set.')),
    wants: ({ type }) => type === 'number.changed' || type === 'call.created' || type === 'call.ended',
    every: 15_000,
    async refresh() { list.update((await get('v1/numbers')).numbers); },
  };
}

function health(settings) {
  if (settings === null) return { text: 'not looked at' };
  const { differences, warnings } = settings;
  if (differences.length + warnings.length === 0) return { text: 'as configured', tone: 'good' };
  return { text: [...warnings, ...differences.map(({ key, is, wanted }) => `${key} is ${is}, wanted ${wanted}`)].join('; '), tone: warnings.length > 0 ? 'bad' : 'warn' };
}
