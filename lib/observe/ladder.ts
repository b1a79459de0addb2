import type { TraceEntry } from './trace.js';
import { headerValue } from './trace.js';

const columnWidth = 34;

/**
 * The SIP ladder of a call as text: Meta left, us in the middle, peers right, one line a message, times relative to the first.
 * @param nameOf what to call a far address; those named "Meta" are drawn on the left
 */
export function drawLadder(entries: readonly TraceEntry[], nameOf: (entry: TraceEntry) => string): string {
  const [first] = entries;
  if (first === undefined) return '(no messages)\n';
  const start = first.time;
  const others = [...new Set(entries.map(nameOf))].sort((a, b) => Number(b === 'Meta') - Number(a === 'Meta'));
  const hasMeta = others[0] === 'Meta';
  const columns = hasMeta ? ['Meta', 'wa-b2bua', ...others.slice(1)] : ['wa-b2bua', ...others];
  const us = columns.indexOf('wa-b2bua');
  const lines = [
    `${' '.repeat(9)}${columns.map((c) => c.padEnd(columnWidth)).join('').trimEnd()}`,
    ...entries.map((entry) => {
      const them = columns.indexOf(nameOf(entry));
      const [left, right] = them < us ? [them, us] : [us, them];
      const rightwards = (entry.direction === 'out') === (us < them);
      const time = ((entry.time - start) / 1000).toFixed(3).padStart(8);
      return `${time} ${row(columns.length, left, right, rightwards, summary(entry.text))}`.trimEnd();
    }),
  ];
  return `${lines.join('\n')}\n`;
}

function row(columns: number, left: number, right: number, rightwards: boolean, text: string): string {
  const width = (right - left) * columnWidth - 1;
  const label = text.length > width - 6 ? `${text.slice(0, width - 7)}…` : text;
  const dashes = Math.max(0, width - label.length - 3);
  const before = '─'.repeat(Math.floor(dashes / 2));
  const after = '─'.repeat(Math.ceil(dashes / 2));
  const arrow = rightwards ? `${before} ${label} ${after}►` : `◄${before} ${label} ${after}`;
  let out = '';
  for (let c = 0; c < columns; c++) {
    if (c === left) out += `│${arrow}`;
    else if (c > left && c < right) continue;
    else out += '│'.padEnd(columnWidth);
  }
  return out;
}

/** "INVITE 6001 +sdp", "200 OK (INVITE) +sdp". */
export function summary(text: string): string {
  const [first = ''] = text.split('\r\n', 1);
  const sdp = /^content-type[ \t]*:[ \t]*application\/sdp/im.test(text) ? ' +sdp' : '';
  const status = /^SIP\/2\.0 (\d{3}) (.*)$/.exec(first);
  if (status === null) {
    const [method = '', uri = ''] = first.split(' ');
    return `${method} ${/^sips?:([^@;]+)[^@]*@/i.exec(uri)?.[1] ?? uri}${sdp}`;
  }
  const method = headerValue(text, 'cseq', 'cseq')?.split(/\s+/)[1] ?? '';
  return `${status[1]} ${status[2]} (${method})${sdp}`;
}
