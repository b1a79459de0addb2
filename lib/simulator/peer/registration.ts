// A softphone's registration (RFC 3261 §10.2).
import { randomUUID } from 'node:crypto';
import { SipMessage } from '../../sipserver/parser/index.js';
import { hostPort } from '../../sipserver/transport/index.js';
import type { Address, Flow } from '../../sipserver/transport/index.js';
import type { SipAgent } from '../sip/agent.js';
import { newBranch, newTag } from '../sip/agent.js';
import type { Credentials } from '../sip/digest.js';
import { authorize } from './dialog.js';

export interface RegisterOptions {
  /** `udp:HOST:PORT` etc. of the registrar. */
  readonly registrar: string;
  readonly domain: string;
  readonly auth: Credentials;
  /** User of the address of record; default the credentials' user name. */
  readonly user?: string;
  /** Seconds; 0 unregisters; left out: no Expires header. */
  readonly expires?: number;
  /** Contact value instead of the listener's; '' sends none. */
  readonly contact?: string;
  readonly headers?: Record<string, string>;
}

export interface RegisterAnswer {
  readonly status: number;
  /** Contact values of the 200. */
  readonly contacts: readonly string[];
  header(name: string): string | undefined;
}

/** One address of record's registrations: one Call-ID, CSeq counted on (RFC 3261 §10.2). */
export class Registration {
  private readonly callId = randomUUID();
  private seq = 0;

  constructor(private readonly agent: SipAgent) {}

  async send(flow: Flow, here: Address, contact: string, options: RegisterOptions): Promise<RegisterAnswer> {
    const first = this.request(flow, here, contact, options);
    const challenged = await this.answerTo(first, flow);
    if (challenged.status !== 401) return read(challenged);
    const authorization = authorize(challenged, first, options.auth);
    if (authorization === undefined) return read(challenged);
    return read(await this.answerTo(this.request(flow, here, contact, options).add(...authorization), flow));
  }

  private request(flow: Flow, here: Address, contact: string, { domain, user, auth, expires, headers }: RegisterOptions): SipMessage {
    const aor = `<sip:${user ?? auth.username}@${domain}>`;
    const register = SipMessage.request('REGISTER', `sip:${domain}`);
    register.add('Via', `SIP/2.0/${flow.protocol.toUpperCase()} ${hostPort(here)};rport;branch=${newBranch()}`).add('Max-Forwards', '70')
      .add('From', `${aor};tag=${newTag()}`).add('To', aor).add('Call-ID', this.callId).add('CSeq', `${++this.seq} REGISTER`);
    if (contact !== '') register.add('Contact', contact);
    if (expires !== undefined) register.add('Expires', String(expires));
    for (const [name, value] of Object.entries(headers ?? {})) register.add(name, value);
    return register;
  }

  private answerTo(register: SipMessage, flow: Flow): Promise<SipMessage> {
    return new Promise((resolve, reject) => {
      this.agent.send(register, flow, {
        response: (response) => { if (response.status >= 200) resolve(response); },
        failed: (reason) => { reject(new Error(`REGISTER: ${reason}`)); },
      });
    });
  }
}

function read(response: SipMessage): RegisterAnswer {
  return { status: response.status, contacts: response.list('contact'), header: (name) => response.get(name.toLowerCase()) };
}
