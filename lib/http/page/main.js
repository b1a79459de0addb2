// The frame: which view is shown, and what keeps it up to date.
import { callView } from './call.js';
import { callsView } from './calls.js';
import { get, listen, refresher, Refused, signOut } from './data.js';
import { el, fill, setText } from './dom.js';
import { failuresView } from './failures.js';
import { duration } from './format.js';
import { numbersView } from './numbers.js';
import { recordsView } from './records.js';
import { signInView } from './signIn.js';
import { systemView } from './system.js';
import { todayView } from './today.js';

/**
 * A view: `element`, `refresh` gets what it shows; `every`: ms between two looks where no event tells; `wants`: events that make it look anew.
 * `needs`: a path of the service without which there is no such view.
 */
const views = new Map(Object.entries({
  calls: { label: 'Calls', make: callsView },
  failures: { label: 'Failures', make: failuresView },
  today: { label: 'Today', make: todayView },
  numbers: { label: 'Numbers', make: numbersView },
  system: { label: 'System', make: systemView },
  records: { label: 'Search', make: recordsView, needs: '/v1/records' },
}));

const [main, nav, connection, version, leave] = ['main', 'nav', 'connection', 'version', 'leave'].map((id) => document.getElementById(id));
let paths = {};
let shown = null;
let stopListening = () => undefined;
/** What happened since the page is open, but to calls: the latest first. */
const news = [];

function route() {
  // What stands behind the # may be anybody's: a view of ours, a call's id, or the list of calls.
  const [, id = null] = /^#call\/([0-9a-f-]{36})$/.exec(location.hash) ?? [];
  const name = id === null && views.has(location.hash.slice(1)) ? location.hash.slice(1) : 'calls';
  const before = shown;
  before?.close();
  const view = id === null ? views.get(name).make({ paths, news }) : callView(id);
  const heading = el('h1', { tabindex: '-1' }, view.title);
  const fault = el('p', { class: 'fault', role: 'alert', hidden: true });
  fill(main, heading, fault, view.element);
  const look = refresher(async () => {
    try {
      await view.refresh();
      fault.hidden = true;
    } catch (error) {
      if (error instanceof Refused && error.status === 401) return askForToken();
      setText(fault, error instanceof Refused ? error.message : 'The service does not answer.');
      fault.hidden = false;
    }
  });
  const timer = view.every === undefined ? null : setInterval(() => { if (!document.hidden) look.ask(); }, view.every);
  shown = {
    view, look,
    close: () => {
      look.close();
      clearInterval(timer);
      view.close?.();
    },
  };
  for (const link of nav.querySelectorAll('a')) link.toggleAttribute('aria-current', false);
  const current = nav.querySelector(`a[href="#${name}"]`);
  current?.setAttribute('aria-current', 'page');
  document.title = `${view.title} – wa-b2bua`;
  // Who went somewhere by keyboard is read where they are.
  if (before !== null) heading.focus();
  look.ask();
}

function drawNav() {
  const there = [...views].filter(([, { needs }]) => needs === undefined || needs in paths);
  fill(nav, there.map(([name, { label }]) => el('a', { href: `#${name}` }, label)));
}

function say(text, tone) {
  setText(connection, text);
  connection.dataset.tone = tone;
}

function heard(event) {
  if (!event.type.startsWith('call.')) {
    news.unshift(event);
    news.splice(50);
  }
  if (event.type === 'events.gap' || (shown?.view.wants?.(event) ?? true)) shown?.look.ask();
}

function askForToken() {
  stopListening();
  shown?.close();
  shown = null;
  fill(nav);
  setText(version, '');
  document.title = 'wa-b2bua';
  news.length = 0;
  leave.hidden = true;
  say('a token is needed', 'bad');
  const view = signInView(begin);
  fill(main, view.element);
  view.focus();
}

/** Begins, or begins anew when somebody has signed in. */
async function begin() {
  stopListening();
  let document_;
  try {
    document_ = await get('v1/openapi.json');
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return askForToken();
    say('the service does not answer; trying again', 'bad');
    setTimeout(begin, 2000);
    return;
  }
  paths = document_.paths;
  setText(version, document_.info.version);
  drawNav();
  route();
  // A cookie is not to be seen; where one is needed, `session` was asked for one.
  leave.hidden = sessionStorage.getItem('signedIn') === null;
  stopListening = listen({
    types: document_.components.schemas.Event.properties.type.anyOf.map((one) => one.const),
    event: heard,
    state: (up) => {
      say(up ? 'live' : 'connection lost; trying again', up ? 'good' : 'bad');
      if (up) shown?.look.ask();
    },
    refused: async () => {
      await get('v1/calls').catch((error) => { if (error instanceof Refused && error.status === 401) askForToken(); });
    },
  });
}

leave.addEventListener('click', async () => {
  await signOut();
  sessionStorage.removeItem('signedIn');
  askForToken();
});
document.getElementById('skip').addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener('hashchange', () => { if (shown !== null) route(); });
setInterval(() => {
  for (const one of document.querySelectorAll('[data-since]')) setText(one, duration(Date.now() - Date.parse(one.dataset.since)));
}, 1000);
void begin();
