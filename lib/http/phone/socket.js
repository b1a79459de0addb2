// A WebSocket for JsSIP that knows when it is dead: a network that is gone tells nobody.

/** Milliseconds between two CRLF CRLF (RFC 5626 §3.5.1), and within which the CRLF must come, or the connection be there: one that began in a network that is gone would be waited for for minutes. */
const EVERY = 10_000;
const WITHIN = 4000;

/** What JsSIP calls a socket. */
export class SipSocket {
  via_transport;
  sip_uri;
  #socket = null;
  #asking = null;
  #waiting = null;

  constructor(url) {
    const { protocol, hostname, port } = new URL(url);
    this.url = url;
    this.via_transport = protocol === 'wss:' ? 'WSS' : 'WS';
    this.sip_uri = `sip:${hostname}${port === '' ? '' : `:${port}`};transport=ws`;
  }

  connect() {
    if (this.#socket !== null) return;
    const socket = this.#socket = new WebSocket(this.url, 'sip');
    this.#waiting = setTimeout(() => this.#gone(socket, true, 1006, 'not open in time'), WITHIN);
    socket.onopen = () => {
      clearTimeout(this.#waiting);
      this.#waiting = null;
      this.#asking = setInterval(() => this.check(), EVERY);
      this.onconnect();
    };
    socket.onmessage = ({ data }) => {
      clearTimeout(this.#waiting);
      this.#waiting = null;
      if (data !== '\r\n') this.ondata(data);
    };
    socket.onclose = ({ wasClean, code, reason }) => this.#gone(socket, !wasClean, code, reason);
  }

  disconnect() {
    const socket = this.#socket;
    this.#forget();
    socket?.close();
  }

  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(message);
    return true;
  }

  /** Asks whether the other side is there; without an answer the connection is over, whatever the browser thinks. */
  check() {
    if (this.#waiting !== null || !this.send('\r\n\r\n')) return;
    const socket = this.#socket;
    this.#waiting = setTimeout(() => this.#gone(socket, true, 1006, 'no answer'), WITHIN);
  }

  #gone(socket, error, code, reason) {
    if (socket !== this.#socket) return;
    this.#forget();
    socket.close();
    this.ondisconnect(error, code, reason);
  }

  #forget() {
    clearInterval(this.#asking);
    clearTimeout(this.#waiting);
    this.#waiting = null;
    if (this.#socket !== null) this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket = null;
  }
}
