// Stands where drachtio-srf's requests, responses, dialogs and stack stand: for unit tests of what decides about them. What it leaves out throws when asked for.
import { EventEmitter } from 'node:events';
import type { SipDialog, SipHeaders, SipRequest, SipResponse, SipStack, UacOptions } from '../../lib/sip/drachtio.js';

const lower = (headers: SipHeaders): SipHeaders => Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

/** What requests and responses share. */
class FakeMessage extends EventEmitter {
  readonly headers: SipHeaders;
  readonly source_port = 5060;
  readonly protocol: string = 'udp';

  constructor(headers: SipHeaders, readonly body: string, readonly source_address: string) {
    super();
    this.headers = lower(headers);
  }

  get(name: string): string | undefined { return this.headers[name.toLowerCase()]; }
  has(name: string): boolean { return this.get(name) !== undefined; }
}

export class FakeRequest extends FakeMessage implements SipRequest {
  readonly uri = 'sip:+447700900001@sbc.example.net';
  /** Header values of the CANCEL; null: there was none. */
  cancelled: SipHeaders | null = null;

  constructor(readonly method: string, headers: SipHeaders = {}, body = '', from = '192.0.2.1') {
    super({ CSeq: `1 ${method}`, 'Call-ID': 'a84b4c76e66710', ...headers }, body, from);
  }

  cancel(options: { headers?: SipHeaders }): void { this.cancelled = options.headers ?? {}; }
}

/** A response of the far end's; `reason` as in its start line. */
export class FakeAnswer extends FakeMessage implements SipResponse {
  readonly finalResponseSent = false;
  constructor(readonly status: number, readonly reason: string, headers: SipHeaders = {}, body = '') { super(headers, body, '192.0.2.1'); }
  send(): void { throw new Error('a response is not answered'); }
}

export interface Sent { readonly status: number; readonly headers: SipHeaders; readonly body: string }

/** The means to answer a request; keeps what was sent. */
export class FakeResponse extends FakeMessage implements SipResponse {
  readonly status = 0;
  readonly reason = '';
  readonly sent: Sent[] = [];

  constructor() { super({}, '', ''); }

  get finalResponseSent(): boolean { return this.sent.some(({ status }) => status >= 200); }

  send(status: number, reason?: string | { headers?: SipHeaders; body?: string }, options?: { headers?: SipHeaders; body?: string } | ((err: unknown) => void)): void {
    if (this.finalResponseSent) throw new Error(`a second final response: ${status}`);
    const { headers = {}, body = '' } = (typeof reason === 'object' ? reason : typeof options === 'object' ? options : undefined) ?? {};
    this.sent.push({ status, headers: lower(headers), body });
  }

  /** The final response. */
  get final(): Sent {
    const last = this.sent.at(-1);
    if (last === undefined || last.status < 200) throw new Error('it was not answered');
    return last;
  }
}

export class FakeDialog extends EventEmitter implements SipDialog {
  readonly srf = Object.assign(new EventEmitter(), { removeDialog: (): void => undefined });
  /** drachtio-srf's inner face: a request of ours in the dialog is answered with 200 at once. */
  readonly agent = {
    request: ({ method, headers }: { method: string; headers: SipHeaders }, callback: (error: Error | null, request: SipRequest) => void): void => {
      if (method === 'BYE') this.ended = headers;
      const request = new FakeRequest(method, headers);
      callback(null, request);
      queueMicrotask(() => { request.emit('response', new FakeAnswer(200, 'OK')); });
    },
  };
  readonly queuedRequests = [];
  readonly sip = { callId: 'a84b4c76e66710', localTag: 'ours', remoteTag: 'theirs' };
  readonly local = { sdp: '', contact: '<sip:wa@192.0.2.2>' };
  readonly remote: { uri: string; sdp: string };
  readonly res: SipResponse;
  connected = true;
  /** Headers of the BYE; null: there was none. */
  ended: SipHeaders | null = null;

  constructor(res: SipResponse = new FakeAnswer(200, 'OK')) {
    super();
    this.res = res;
    this.remote = { uri: 'sip:6001@192.0.2.1', sdp: res.body };
  }

  async destroy(options: { headers?: SipHeaders } = {}): Promise<SipRequest> {
    this.connected = false;
    this.ended = options.headers ?? {};
    return Promise.resolve(new FakeRequest('BYE'));
  }

  async modify(): Promise<string> { return Promise.reject(new Error('no re-INVITE of ours is foreseen')); }
}

/** What became of one INVITE: the test rings it, answers it or has it refused. */
export class FakeInvite {
  readonly request: FakeRequest;
  readonly dialog: Promise<SipDialog>;
  #resolve: (dialog: SipDialog) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  constructor(readonly uri: string, readonly options: UacOptions, readonly provisional: (response: SipResponse) => void) {
    this.request = new FakeRequest('INVITE', options.headers, options.localSdp);
    this.dialog = new Promise((resolve, reject) => { [this.#resolve, this.#reject] = [resolve, reject]; });
    const { request } = this;
    request.cancel = (given) => {
      request.cancelled = given.headers ?? {};
      this.refuse(487, 'Request Terminated');
    };
  }

  ring(status = 180, headers: SipHeaders = {}, body = ''): void { this.provisional(new FakeAnswer(status, 'Ringing', headers, body)); }

  answer(body: string, headers: SipHeaders = {}): FakeDialog {
    const response = new FakeAnswer(200, 'OK', headers, body);
    const dialog = new FakeDialog(response);
    this.request.emit('response', response);
    this.#resolve(dialog);
    return dialog;
  }

  refuse(status: number, reason: string, headers: SipHeaders = {}): void {
    this.#reject(Object.assign(new Error(`Sip non-success response: ${status}`), { status, reason, res: new FakeAnswer(status, reason, headers) }));
  }
}

/** A connection to a SIP server whose INVITEs go nowhere; `invites` has each as it was sent, 'invite' tells of it. */
export class FakeStack extends EventEmitter<{ invite: [FakeInvite]; close: [] }> {
  readonly invites: FakeInvite[] = [];

  async createUAC(uri: string, options: UacOptions, progress: { cbRequest: (err: unknown, req: SipRequest) => void; cbProvisional: (res: SipResponse) => void }): Promise<SipDialog> {
    const invite = new FakeInvite(uri, options, progress.cbProvisional);
    this.invites.push(invite);
    queueMicrotask(() => {
      progress.cbRequest(null, invite.request);
      this.emit('invite', invite);
    });
    return invite.dialog;
  }

  /** As the code under test knows it. */
  get stack(): SipStack { return this as unknown as SipStack; }
}
