// A dialog of RFC 3261 §12: its state as plain values, and the requests that belong to it.
import { closeQuote, parseCSeq, parseNameAddr, parseUri, SipMessage, tagOf, uriParam } from '../parser/index.js';
import type { Hop } from '../locate/index.js';

export type Role = 'uac' | 'uas';

/** What a dialog is made from: the request that began it and the response that made it. */
export interface DialogSeed {
  role: Role;
  request: SipMessage;
  response: SipMessage;
  /** Contact of ours in that request or response. */
  localContact: string;
}

export class Dialog {
  /** drachtio's name for it: Call-ID and the From tag of the request that began it. The same for all forks of one INVITE. */
  readonly id: string;
  /** Our own: Call-ID, local tag, remote tag. */
  readonly key: string;
  readonly callId: string;
  readonly method: string;
  readonly role: Role;
  readonly local: string;        // our From or To value, with tag
  remote: string;
  localSeq: number;
  remoteSeq: number | undefined;
  routeSet: string[];
  remoteTarget: string;
  localContact: string;
  confirmed = false;
  ended = false;
  /** Where requests go whatever route set and target say: a UDP peer behind NAT, or one called by its flow. */
  nat: Hop | undefined;
  /** Bodies as last sent by us in an offer or answer, for a refreshing re-INVITE. */
  localBody: { type: string; text: string } | undefined;
  /** Methods the peer says it allows. */
  allows: readonly string[] = [];

  constructor(seed: DialogSeed) {
    const { request, response } = seed;
    this.role = seed.role;
    this.method = request.method;
    this.callId = request.get('call-id') ?? '';
    const from = request.get('from') ?? '';
    const to = response.get('to') ?? '';
    this.local = seed.role === 'uac' ? from : to;
    const theirs = seed.role === 'uac' ? to : from;
    this.remote = closeQuote(theirs) ?? theirs;
    this.id = `${this.callId};from-tag=${tagOf(from) ?? ''}`;
    this.key = dialogKey(this.callId, tagOf(this.local), tagOf(this.remote));
    const seq = parseCSeq(request.get('cseq') ?? '')?.seq ?? 0;
    // §12.1.1: a UAS starts with an empty local sequence number; §12.1.2: a UAC with an empty remote one.
    this.localSeq = seed.role === 'uac' ? seq : Math.floor(Math.random() * 0x7fff0000) + 1;
    this.remoteSeq = seed.role === 'uas' ? seq : undefined;
    const partner = seed.role === 'uac' ? response : request;
    this.routeSet = routeSetOf(seed.role, partner);
    this.remoteTarget = targetOf(partner) ?? (seed.role === 'uac' ? request.uri : parseNameAddr(this.remote)?.uri ?? '');
    this.localContact = seed.localContact;
    this.learn(partner);
  }

  get localTag(): string {
    return tagOf(this.local) ?? '';
  }

  get remoteTag(): string | undefined {
    return tagOf(this.remote);
  }

  /** Takes over what a 2xx says anew: the route set of the first one (§13.2.2.4), and the target. */
  confirm(message: SipMessage): void {
    if (!this.confirmed && this.role === 'uac') this.routeSet = routeSetOf('uac', message);
    this.confirmed = true;
    this.refresh(message);
  }

  /** The Record-Routes of a response of the callee's, where it has any, while the dialog is early. */
  takeRoutes(response: SipMessage): void {
    if (!this.confirmed && response.has('record-route')) this.routeSet = routeSetOf('uac', response);
  }

  /** §12.2.1.2, §12.2.2: a target refresh changes where the peer is reached, never the route set. */
  refresh(message: SipMessage): void {
    const target = targetOf(message);
    if (target !== undefined) this.remoteTarget = target;
    this.learn(message);
  }

  /**
   * A request within the dialog (§12.2.1.1). `headers` are the application's; those that the dialog decides are not taken from it. The Via is
   * still missing. ACK and CANCEL carry the number of the INVITE they belong to.
   */
  createRequest(method: string, headers: readonly { name: string; key: string; value: string }[], seq?: number): SipMessage {
    const first = this.routeSet[0];
    const firstUri = first === undefined ? undefined : parseUri(parseNameAddr(first)?.uri ?? '');
    const loose = firstUri === undefined || uriParam(firstUri, 'lr') !== undefined;
    const m = SipMessage.request(method, loose ? this.remoteTarget : parseNameAddr(first ?? '')?.uri ?? this.remoteTarget);
    const routes = loose ? this.routeSet : [...this.routeSet.slice(1), `<${this.remoteTarget}>`];
    for (const route of routes) m.add('Route', route);
    m.add('Max-Forwards', '70');
    m.add('From', this.local);
    m.add('To', this.remote);
    m.add('Call-ID', this.callId);
    m.add('CSeq', `${seq ?? ++this.localSeq} ${method}`);
    for (const h of headers) if (!DECIDED.has(h.key)) m.headers.push({ name: h.name, key: h.key, value: h.value });
    return m;
  }

  /** URI of the next hop: the first route, else the Request-URI, which a strict router has taken over (§8.1.2, §12.2.1.1). */
  nextHop(request: SipMessage): string {
    const first = parseNameAddr(this.routeSet[0] ?? '')?.uri;
    const parsed = first === undefined ? undefined : parseUri(first);
    return first !== undefined && parsed !== undefined && uriParam(parsed, 'lr') !== undefined ? first : request.uri;
  }

  private learn(message: SipMessage): void {
    if (message.has('allow')) this.allows = message.list('allow').map((m) => m.toUpperCase());
  }
}

/** Headers of an in-dialog request that only the dialog can know. */
const DECIDED: ReadonlySet<string> = new Set(['via', 'route', 'record-route', 'from', 'to', 'call-id', 'cseq', 'content-length', 'max-forwards', 'rseq']);

export function dialogKey(callId: string, localTag: string | undefined, remoteTag: string | undefined): string {
  return `${callId}\n${localTag ?? ''}\n${remoteTag ?? ''}`;
}

/** §12.1.1, §12.1.2: the Record-Routes of the request as they stand for a UAS, of the response in reverse for a UAC. */
function routeSetOf(role: Role, message: SipMessage): string[] {
  const routes = message.list('record-route');
  return role === 'uac' ? routes.reverse() : routes;
}

function targetOf(message: SipMessage): string | undefined {
  const contact = message.list('contact')[0];
  const uri = contact === undefined ? undefined : parseNameAddr(contact)?.uri;
  return uri === undefined || parseUri(uri) === undefined ? undefined : uri;
}
