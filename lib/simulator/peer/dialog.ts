// One dialog of a PBX user (RFC 3261 §12): who, where to, and the requests inside it.
import { parseNameAddr, parseUri, SipMessage, uriParam } from '../../sipserver/parser/index.js';
import { hostPort } from '../../sipserver/transport/index.js';
import type { Address, Flow } from '../../sipserver/transport/index.js';
import { isIP } from 'node:net';
import { newBranch } from '../sip/agent.js';
import type { SipAgent } from '../sip/agent.js';
import { answerDigest, parseDigest } from '../sip/digest.js';
import type { Credentials } from '../sip/digest.js';
import { unbracketed } from '../../util/hostPort.js';

export interface DialogEnds {
  callId: string;
  /** Our From or To value with our tag, and the far end's with its tag. */
  local: string;
  remote: string;
  /** Contact URI of the far end. */
  target: string;
  routes: string[];
  seq: number;
}

/** How a user is reached, and where its requests go. */
export interface DialogPlace {
  /** The INVITE's. */
  readonly flow: Flow;
  /** Of our Via. */
  readonly here: Address;
  /** Our Contact value. */
  readonly contact: string;
  /** Takes all requests; undefined: they go to the far end itself. */
  readonly proxy: (() => Promise<Flow>) | undefined;
}

export class PeerDialog {
  theirSeq = -1;

  constructor(private readonly agent: SipAgent, private readonly place: DialogPlace, readonly ends: DialogEnds) {}

  /** A request inside the dialog, with the next CSeq (or the INVITE's, for ACK). */
  request(method: string, seq = ++this.ends.seq): SipMessage {
    const { ends } = this;
    const message = SipMessage.request(method, ends.target);
    message.add('Via', `SIP/2.0/${this.place.flow.protocol.toUpperCase()} ${hostPort(this.place.here)};rport;branch=${newBranch()}`);
    for (const route of ends.routes) message.add('Route', route);
    message.add('Max-Forwards', '70').add('From', ends.local).add('To', ends.remote).add('Call-ID', ends.callId).add('CSeq', `${seq} ${method}`);
    if (method !== 'ACK' && method !== 'BYE') message.add('Contact', this.place.contact);
    return message;
  }

  /** Puts a message on the wire without a transaction (ACK). */
  async put(message: SipMessage): Promise<void> {
    (await this.nextHop())?.send(message.toString());
  }

  /** Sends a request; resolves with the final response, undefined when none came. */
  async send(message: SipMessage, provisional?: (response: SipMessage) => void): Promise<SipMessage | undefined> {
    const flow = await this.nextHop();
    if (flow === undefined) return undefined;
    return await new Promise((resolve) => {
      this.agent.send(message, flow, {
        response: (response) => {
          if (response.status >= 200) resolve(response);
          else provisional?.(response);
        },
        failed: () => { resolve(undefined); },
      });
    });
  }

  /** Takes over what a message of the far end's says about where it is (RFC 3261 §12.2). */
  refresh(message: SipMessage): void {
    const contact = message.list('contact')[0];
    const uri = contact === undefined ? undefined : parseNameAddr(contact)?.uri;
    if (uri !== undefined) this.ends.target = uri;
  }

  // On UDP the first Route or the target says where; connections are used as they are while they are up.
  private async nextHop(): Promise<Flow | undefined> {
    if (this.place.proxy !== undefined) return await this.place.proxy().catch(() => undefined);
    if (this.place.flow.protocol !== 'udp') return this.place.flow;
    const route = this.ends.routes[0];
    const uri = parseUri(route === undefined ? this.ends.target : parseNameAddr(route)?.uri ?? '');
    const host = unbracketed(uri?.host ?? '');
    if (uri === undefined || isIP(host) === 0 || (uriParam(uri, 'transport') ?? 'udp').toLowerCase() !== 'udp') return this.place.flow;
    return this.agent.udp(host, uri.port ?? 5060) ?? this.place.flow;
  }
}

/** The header that answers a 401 or 407, or undefined when it cannot be answered. */
export function authorize(response: SipMessage, request: SipMessage, who: Credentials | undefined): [string, string] | undefined {
  if (who === undefined || (response.status !== 401 && response.status !== 407)) return undefined;
  for (const value of response.lines(response.status === 401 ? 'www-authenticate' : 'proxy-authenticate')) {
    const challenge = parseDigest(value);
    const answer = challenge && answerDigest(challenge, who, request.method, request.uri);
    if (answer !== undefined) return [response.status === 401 ? 'Authorization' : 'Proxy-Authorization', answer];
  }
  return undefined;
}
