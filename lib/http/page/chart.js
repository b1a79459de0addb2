// Charts as SVG, each with its figures as a table for whoever does not see it.
import { el, svg } from './dom.js';

const [width, height, foot, left] = [600, 170, 22, 34];

/**
 * Bars: all, and in front of it a part of it.
 * @param {{ label: string, bars: { name: string, all: number, part: number }[], all: string, part: string }} chart
 */
export function bars({ label, bars: given, all, part }) {
  const most = Math.max(1, ...given.map((bar) => bar.all));
  const step = (width - left) / Math.max(1, given.length);
  const y = (value) => 10 + (height - foot - 10) * (1 - value / most);
  // As many names as there is room for.
  const every = Math.max(1, Math.ceil(given.length / 12));
  const drawn = given.flatMap((bar, at) => {
    const x = left + at * step;
    const rect = (kind, value) => svg('rect', { class: kind, x: (x + step * 0.12).toFixed(1), width: (step * 0.76).toFixed(1), y: y(value).toFixed(1), height: Math.max(0, height - foot - y(value)).toFixed(1) });
    const name = at % every === 0 ? svg('text', { x: (x + step / 2).toFixed(1), y: height - 6, 'text-anchor': 'middle' }, bar.name) : null;
    return [rect('all', bar.all), rect('part', bar.part), name];
  });
  return el('figure', {}, el('figcaption', {}, label, ' ', el('span', { class: 'note' }, `(pale: ${all}; full: ${part})`)),
    svg('svg', { class: 'chart', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label }, axis(most, y), drawn),
    asTable(label, ['', all, part], given.map((bar) => [bar.name, bar.all, bar.part])));
}

/**
 * Lines over time, up to two; null: unknown.
 * @param {{ label: string, series: [string, (number | null)[]][] }} chart
 */
export function lines({ label, series }) {
  const most = Math.max(1, ...series.flatMap(([, values]) => values.filter((value) => value !== null)));
  const y = (value) => 10 + (height - foot - 10) * (1 - value / most);
  const drawn = series.map(([, values], at) => {
    const step = (width - left) / Math.max(1, values.length - 1);
    return svg('polyline', { class: `line-${at}`, points: values.flatMap((value, k) => (value === null ? [] : [`${(left + k * step).toFixed(1)},${y(value).toFixed(1)}`])).join(' ') });
  });
  const now = series.map(([name, values]) => `${name} ${Math.round(values.at(-1) ?? 0)}`).join(', ');
  return el('figure', {}, el('figcaption', {}, `${label}: ${now} `, el('span', { class: 'note' }, `(line: ${series[0][0]}; dashed: ${series[1][0]})`)),
    svg('svg', { class: 'chart', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `${label}: ${now}` }, axis(most, y), drawn));
}

function axis(most, y) {
  const at = (value) => [svg('line', { class: 'axis', x1: left, x2: width, y1: y(value), y2: y(value) }), svg('text', { x: left - 6, y: y(value) + 4, 'text-anchor': 'end' }, Math.round(value))];
  return [...at(0), ...at(most)];
}

function asTable(label, heads, rows) {
  return el('details', {}, el('summary', {}, 'As a table'),
    el('table', { 'aria-label': label }, el('thead', {}, el('tr', {}, heads.map((head) => el('th', { scope: 'col' }, head)))),
      el('tbody', {}, rows.map(([name, ...cells]) => el('tr', {}, el('th', { scope: 'row' }, name), cells.map((cell) => el('td', { class: 'number' }, cell)))))));
}
