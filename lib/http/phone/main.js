// A phone in a page: registers by WebSocket, takes and places calls. Nothing is kept but the name of the user and of this browser tab.
import { Call, RTC } from './call.js';
import { SipSocket } from './socket.js';

const meta = (name) => document.querySelector(`meta[name="wab-${name}"]`).content;
const [domain, url] = [meta('domain'), meta('server').replace('{host}', location.hostname)];
const [state, fault, signIn, signOut, dial, list, heard, user, password, target] =
  ['state', 'fault', 'signIn', 'signOut', 'dial', 'calls', 'heard', 'user', 'password', 'target'].map((id) => document.getElementById(id));
const calls = new Set();
let ua = null;
let socket = null;
/** There was no connection since the last registration. */
let wasLost = false;

user.value = sessionStorage.getItem('wab-user') ?? '';

/** The same for as long as this tab is open, so that a registration takes the place of the one before (RFC 5626 §4.1). */
function instance() {
  const known = sessionStorage.getItem('wab-instance') ?? crypto.randomUUID();
  sessionStorage.setItem('wab-instance', known);
  return known;
}

function show(text) {
  state.textContent = text;
}

const phone = {
  address: (to) => `sip:${encodeURIComponent(to).replace(/%2B/g, '+')}@${domain}`,
  canSend: () => ua?.isRegistered() === true && ua.isConnected(),
  others: (call) => [...calls].filter((one) => one !== call),
  fault: (text) => { fault.textContent = text; },
  show: (stream) => { heard.srcObject = stream; },
  ended: (call) => {
    calls.delete(call);
    call.element.remove();
    bellAsItIs();
  },
};

function take({ session, originator }) {
  const call = new Call(session, originator === 'remote', phone);
  calls.add(call);
  list.append(call.element);
  session.on('confirmed', () => {
    bellAsItIs();
    // One voice at a time.
    for (const other of phone.others(call)) if (other.established) other.hold();
  });
  bellAsItIs();
}

/** It rings while somebody does whom nobody has answered. */
function bellAsItIs() {
  const rings = [...calls].some(({ session, established }) => session.direction === 'incoming' && !established);
  if (rings !== (bell !== null)) ring(rings);
}

let bell = null;
/** Two tones, while somebody rings. */
function ring(is) {
  bell?.close();
  bell = null;
  if (!is) return;
  bell = new AudioContext();
  const [gain, tone] = [new GainNode(bell, { gain: 0 }), new OscillatorNode(bell, { frequency: 440 })];
  for (let at = 0; at < 60; at += 3) {
    gain.gain.setValueAtTime(0.1, bell.currentTime + at);
    gain.gain.setValueAtTime(0, bell.currentTime + at + 1);
  }
  tone.connect(gain).connect(bell.destination);
  tone.start();
}

signIn.addEventListener('submit', (event) => {
  event.preventDefault();
  fault.textContent = '';
  const name = user.value.trim();
  sessionStorage.setItem('wab-user', name);
  socket = new SipSocket(url);
  ua = new JsSIP.UA({
    sockets: [socket], uri: `sip:${name}@${domain}`, authorization_user: name, password: password.value, instance_id: instance(), session_timers: false, register_expires: 300,
    connection_recovery_min_interval: 1, connection_recovery_max_interval: 5, user_agent: 'wa-b2bua phone',
  });
  // One that was signed out has more to say, and is not heard.
  const mine = ua;
  const on = (name, act) => mine.on(name, (...about) => { if (ua === mine) act(...about); });
  on('connecting', () => show('connecting…'));
  on('disconnected', () => {
    wasLost = true;
    show('no connection, trying again…');
  });
  on('registered', () => {
    show(`${name} is ready`);
    [signIn.hidden, dial.hidden, signOut.hidden] = [true, false, false];
    if (wasLost) for (const call of calls) call.networkIsBack();
    wasLost = false;
  });
  on('unregistered', () => show('not registered'));
  on('registrationFailed', ({ cause, response }) => {
    if (response === null || response === undefined || response.status_code >= 500) return;
    fault.textContent = response.status_code === 403 || response.status_code === 401 ? 'User or password is wrong.' : `Not registered: ${cause}.`;
    leave();
  });
  on('newRTCSession', take);
  ua.start();
  password.value = '';
});

function leave() {
  const last = ua;
  ua = null;
  wasLost = false;
  last?.stop();
  [signIn.hidden, dial.hidden, signOut.hidden] = [false, true, true];
  show('signed out');
}

signOut.addEventListener('click', leave);
dial.addEventListener('submit', (event) => {
  event.preventDefault();
  fault.textContent = '';
  ua.call(phone.address(target.value.replace(/[\s()-]/g, '')), RTC);
});
// The browser says so sooner than a connection that hangs.
addEventListener('online', () => socket?.check());
addEventListener('offline', () => socket?.check());
navigator.connection?.addEventListener?.('change', () => socket?.check());
