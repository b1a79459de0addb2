// One call: what it shows, its buttons, and what keeps it up when the network is another.
import { el } from '../page/dom.js';

const DIGITS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#'];
const RTC = { mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers: [] } };
/** Milliseconds after which an ICE restart that has changed nothing is tried again, once the server can be reached. */
const AGAIN = 3000;
/** While another description is under way, a hold is tried again so often, every half second. */
const TRIES = 20;

/**
 * `phone` has: `place(target)`, `others(call)`, `canSend()` — whether requests get through now —, `fault(text)`, `show(stream)`, `ended(call)`.
 */
export class Call {
  #session;
  #phone;
  #held = false;
  #wantsHold = false;
  #state = '';
  #restarting = null;
  #holding = null;
  #parts;
  element;

  constructor(session, incoming, phone) {
    this.#session = session;
    this.#phone = phone;
    const button = (label, act, more = {}) => el('button', { type: 'button', onclick: act, ...more }, label);
    const target = el('input', { 'aria-label': 'Transfer to', autocomplete: 'off' });
    this.#parts = {
      note: el('p', { class: 'note', role: 'status' }),
      answer: button('Answer', () => session.answer(RTC), { class: 'good', hidden: !incoming }),
      hold: button('Hold', () => this.#setHold(!this.#wantsHold), { hidden: true, 'aria-pressed': 'false' }),
      keypad: button('Keypad', () => { this.#parts.keys.hidden = !this.#parts.keys.hidden; }, { hidden: true }),
      end: button(incoming ? 'Decline' : 'Hang up', () => this.end(), { class: 'bad' }),
      keys: el('div', { class: 'keys', hidden: true }, DIGITS.map((digit) => button(digit, () => session.sendDTMF(digit, { transportType: 'RFC2833' }), { 'aria-label': `digit ${digit}` }))),
      transfer: el('form', { hidden: true, onsubmit: (event) => { event.preventDefault(); this.#transfer(target.value.trim()); } }, target, el('button', {}, 'Transfer')),
    };
    const { note, answer, hold, keypad, end, keys, transfer } = this.#parts;
    const name = session.remote_identity.display_name || session.remote_identity.uri.user;
    this.element = el('li', {}, el('p', { class: 'who' }, name), note, el('div', { class: 'row' }, answer, hold, keypad, end), keys, transfer);
    this.#say(incoming ? 'is calling' : 'calling');
    this.#listen();
  }

  get session() {
    return this.#session;
  }

  get user() {
    return this.#session.remote_identity.uri.user;
  }

  get established() {
    return this.#session.isEstablished();
  }

  end() {
    if (!this.#session.isEnded()) this.#session.terminate(this.#session.isEstablished() || this.#session.direction === 'outgoing' ? {} : { status_code: 603 });
  }

  hold() {
    this.#setHold(true);
  }

  /** The server can be reached again: what is not heard is looked for. */
  networkIsBack() {
    if (this.established) this.#restart();
  }

  #listen() {
    const session = this.#session;
    const watch = (connection) => {
      connection.addEventListener('track', ({ track }) => this.#phone.show(new MediaStream([track])));
      connection.addEventListener('connectionstatechange', () => {
        if (connection.connectionState === 'connected') {
          clearTimeout(this.#restarting);
          this.#restarting = null;
          this.#say(this.#state);
        } else if (['disconnected', 'failed'].includes(connection.connectionState) && this.established) {
          this.#say(this.#state);
          this.#restart();
        }
      });
    };
    if (session.connection) watch(session.connection);
    session.on('peerconnection', ({ peerconnection }) => watch(peerconnection));
    session.on('progress', () => { if (session.direction === 'outgoing') this.#say('ringing'); });
    session.on('confirmed', () => {
      for (const part of ['hold', 'keypad', 'transfer']) this.#parts[part].hidden = false;
      this.#parts.answer.hidden = true;
      this.#parts.end.textContent = 'Hang up';
      this.#say('in call');
    });
    session.on('hold', ({ originator }) => { if (originator === 'remote') this.#say('on hold by the other side'); });
    session.on('unhold', ({ originator }) => { if (originator === 'remote') this.#say('in call'); });
    const over = ({ cause, originator }) => {
      clearTimeout(this.#restarting);
      clearTimeout(this.#holding);
      // What we did ourselves needs no words; that there is no microphone does.
      const ours = originator === 'local' && ['Terminated', 'Canceled', 'Rejected', 'BYE'].includes(cause);
      if (!ours) this.#phone.fault(cause === 'Terminated' || cause === 'Canceled' ? '' : cause === 'User Denied Media Access' ? 'This page may not use the microphone: allow it in the browser, and open the page by https.' : `${this.user}: ${cause}`);
      this.#phone.ended(this);
    };
    session.on('ended', over);
    session.on('failed', over);
  }

  /** RFC 8445 §9: asks for the same session by other ways, until one is there. The other side is told where we are now. */
  #restart() {
    if (this.#restarting !== null || this.#session.isEnded()) return;
    const isUp = () => this.#session.connection?.connectionState === 'connected';
    if (this.#phone.canSend()) this.#session.renegotiate({ rtcOfferConstraints: { iceRestart: true } });
    this.#restarting = setTimeout(() => {
      this.#restarting = null;
      if (!isUp()) this.#restart();
    }, AGAIN);
  }

  /** What is wanted last counts, also while a description is under way. */
  #setHold(wanted, left = TRIES) {
    this.#wantsHold = wanted;
    this.#doHold(left);
  }

  #doHold(left) {
    clearTimeout(this.#holding);
    const wanted = this.#wantsHold;
    if (this.#session.isEnded() || this.#held === wanted) return;
    const done = () => {
      this.#held = wanted;
      this.#parts.hold.textContent = this.#held ? 'Resume' : 'Hold';
      this.#parts.hold.setAttribute('aria-pressed', String(this.#held));
      this.#say(this.#held ? 'on hold' : 'in call');
      this.#doHold(TRIES);
    };
    const begun = wanted ? this.#session.hold({}, done) : this.#session.unhold({}, done);
    if (begun) return;
    if (left > 0) {
      this.#holding = setTimeout(() => this.#doHold(left - 1), 500);
      return;
    }
    this.#wantsHold = this.#held;
    this.#phone.fault('This cannot be done just now.');
  }

  /** To another user; to one whom we talk with in another call, by joining the two (RFC 3891). */
  #transfer(target) {
    if (target === '') return;
    const other = this.#phone.others(this).find((call) => call.established && call.user === target);
    this.#say(`transferring to ${target}`);
    this.#session.refer(this.#phone.address(target), {
      ...other === undefined ? {} : { replaces: other.session },
      eventHandlers: {
        accepted: () => this.end(),
        failed: () => { this.#say('in call'); this.#phone.fault(`${target} did not take the call.`); },
        requestFailed: () => { this.#say('in call'); this.#phone.fault(`The call may not go to ${target}.`); },
      },
    });
  }

  #say(text) {
    this.#state = text;
    const lost = this.established && this.#session.connection !== undefined && !['connected', 'connecting', 'new'].includes(this.#session.connection.connectionState);
    this.#parts.note.textContent = lost ? `${text} · looking for the network` : text;
  }
}

export { RTC };
