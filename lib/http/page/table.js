// A table that is kept up to date in place: what has not changed is not touched, so that focus and what is read aloud stay where they are.
import { el, setText } from './dom.js';

/**
 * @param {{ label: string, empty: string, key: (item: any) => string, columns: { head: string, cell: (item: any) => Cell, number?: boolean }[] }} options
 *   `cell` gives text, or { text, tone, href, since, meter: [is, most], isLimit }; the first column is the row's heading
 */
export function table({ label, empty, key, columns }) {
  const body = el('tbody');
  const nothing = el('p', { class: 'empty' }, empty);
  const whole = el('table', { 'aria-label': label }, el('thead', {}, el('tr', {}, columns.map(({ head }) => el('th', { scope: 'col' }, head)))), body);
  const rows = new Map();

  const rowOf = () => {
    const cells = columns.map(({ head, number }, at) => el(at === 0 ? 'th' : 'td', { 'data-label': head, class: number ? 'number' : null, scope: at === 0 ? 'row' : null }));
    return { tr: el('tr', {}, cells), cells };
  };

  return {
    element: el('div', { class: 'box stack' }, whole, nothing),
    /** Shows these, in this order. */
    update(items) {
      const seen = new Set();
      let before = null;
      for (const item of items) {
        const id = key(item);
        if (seen.has(id)) continue;
        seen.add(id);
        const row = rows.get(id) ?? rowOf();
        rows.set(id, row);
        columns.forEach(({ cell }, at) => put(row.cells[at], cell(item)));
        const place = before === null ? body.firstChild : before.nextSibling;
        if (place !== row.tr) body.insertBefore(row.tr, place);
        before = row.tr;
      }
      for (const [id, { tr }] of rows) {
        if (seen.has(id)) continue;
        tr.remove();
        rows.delete(id);
      }
      whole.hidden = seen.size === 0;
      nothing.hidden = seen.size > 0;
    },
  };
}

/** One cell: an inner element that is made once and then changed. */
function put(td, value) {
  const { text, tone = '', href = null, since = null, meter = null, isLimit = false } = typeof value === 'object' && value !== null ? value : { text: value };
  const tag = href === null ? 'SPAN' : 'A';
  let inner = td.firstElementChild;
  if (inner === null || inner.tagName !== tag) {
    inner = el(tag.toLowerCase());
    td.replaceChildren(inner);
  }
  if (href !== null && inner.getAttribute('href') !== href) inner.setAttribute('href', href);
  if (inner.className !== tone) inner.className = tone;
  if (since === null) delete inner.dataset.since;
  else inner.dataset.since = since;
  setText(inner, text);
  if (meter === null) return;
  const gauge = td.querySelector('meter') ?? td.appendChild(el('meter', { min: 0, 'aria-hidden': 'true' }));
  const [now, most] = meter;
  Object.assign(gauge, { max: Math.max(1, most), value: now, ...(isLimit ? { high: 0.8 * most, optimum: 0 } : {}) });
}
