// The SIP messages of a call drawn: Meta left, we in the middle, peers right; a button for each message, which opens it.
import { el, fill } from './dom.js';

const us = 'wa-b2bua';
const timeWidth = 62;

/** `update(messages)` draws what is new; what is there stays, with its focus. */
export function ladder() {
  const parties = el('div', { class: 'parties', 'aria-hidden': 'true' });
  const list = el('ol', { 'aria-label': 'SIP messages in order' });
  const dialog = messageDialog();
  let columns = [];
  let drawn = 0;
  let messages = [];

  const line = (message, at) => {
    const them = columns.indexOf(message.with);
    const ours = columns.indexOf(us);
    const [left, right] = [Math.min(them, ours), Math.max(them, ours)];
    const rightwards = (message.direction === 'out') === (ours < them);
    const [from, to] = message.direction === 'in' ? [message.with, us] : [us, message.with];
    const button = el('button', {
      type: 'button', class: rightwards ? 'right' : 'left', title: message.summary, 'aria-label': `${message.summary}, from ${from} to ${to}`, onclick: () => dialog.open(messages, at),
    }, message.summary);
    // From the middle of one column to the middle of the other; the first is the time.
    button.style.gridColumn = `${2 * left + 3} / ${2 * right + 3}`;
    const lines = columns.map((_, column) => {
      const stroke = el('i', { 'aria-hidden': 'true' });
      stroke.style.gridColumn = String(2 * column + 2);
      return stroke;
    });
    const since = (Date.parse(message.time) - Date.parse(messages[0].time)) / 1000;
    return template(el('li', {}, el('time', { datetime: message.time }, since.toFixed(3)), lines, button));
  };
  const template = (element) => {
    element.style.gridTemplateColumns = `${timeWidth}px repeat(${2 * columns.length}, minmax(0, 1fr))`;
    return element;
  };

  return {
    element: el('div', { class: 'box ladder' }, parties, list, dialog.element),
    update(next) {
      messages = next;
      const others = [...new Set(messages.map((message) => message.with))];
      const wanted = others.includes('Meta') ? ['Meta', us, ...others.filter((name) => name !== 'Meta')] : [us, ...others];
      const same = wanted.join('\n') === columns.join('\n') && drawn <= messages.length;
      if (!same) {
        columns = wanted;
        drawn = 0;
        fill(list);
        fill(parties, el('b'), columns.map((name) => el('span', { title: name }, name)));
        template(parties);
      }
      list.append(...messages.slice(drawn).map((message, at) => line(message, drawn + at)));
      drawn = messages.length;
    },
    close: () => dialog.close(),
  };
}

function messageDialog() {
  const title = el('h2', { id: 'message-title' });
  const ends = el('p', { class: 'note' });
  const text = el('pre', { tabindex: '0', 'aria-label': 'The message' });
  let all = [];
  let current = 0;
  const show = (at) => {
    const message = all[at];
    if (message === undefined) return;
    current = at;
    fill(title, message.summary);
    const [from, to] = message.direction === 'in' ? [`${message.with} (${message.remote})`, message.local] : [message.local, `${message.with} (${message.remote})`];
    fill(ends, `${at + 1} of ${all.length}, ${new Date(message.time).toLocaleTimeString()}, ${message.transport}, ${from} to ${to}`);
    fill(text, message.text);
    text.scrollTop = 0;
  };
  const step = (by) => () => show(current + by);
  const element = el('dialog', { 'aria-labelledby': 'message-title', onkeydown: ({ key }) => { if (key === 'ArrowLeft' || key === 'ArrowRight') show(current + (key === 'ArrowLeft' ? -1 : 1)); } },
    title, ends,
    el('div', { class: 'buttons' },
      el('button', { type: 'button', onclick: step(-1) }, 'Previous'), el('button', { type: 'button', onclick: step(1) }, 'Next'),
      el('button', { type: 'button', class: 'main', onclick: () => element.close() }, 'Close')),
    text);
  return {
    element,
    open(messages, at) {
      all = messages;
      show(at);
      element.showModal();
    },
    close: () => element.close(),
  };
}
