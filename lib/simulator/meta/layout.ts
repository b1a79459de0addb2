// Meta's messages, line for line as META-SIP §5.1 and §4.2 lay them out.
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { SipMessage } from '../../sipserver/parser/index.js';

export const META_HOST = 'wa.meta.vc';
/** Meta's two Record-Routes, top first. The second host is internal to Meta and cannot be resolved. */
export const RECORD_ROUTES = ['<sip:wa.meta.vc;transport=tls;lr>', '<sip:onevc-sip-proxy.fbinfra.net:8191;transport=tls;lr>'] as const;
export const ALLOW = 'INVITE, ACK, BYE, CANCEL, NOTIFY, OPTIONS';

/** Who calls whom, as far as headers show it. */
export interface CallIdentity {
  /** Business number with '+'. */
  number: string;
  /** User part of the WhatsApp user: `+44…` or a BSUID such as `US.1349…`. */
  from: string;
  /** Display name; digits of the number unless the user has a profile name. */
  displayName: string;
  /** Host of the Request-URI: the name registered with Meta. */
  domain: string;
  /** RFC 4904 parameters in the user part, e.g. `tgrp=wacall;trunk-context=byoc.example.com`. */
  userParams: string;
  /** `wacid.…==`. */
  wacid: string;
  callId: string;
  fromTag: string;
}

/** Headers only some calls carry (META-SIP §7). */
export interface CallExtras {
  /** Headers of the INVITE that are otherwise than Meta's, or more. */
  headers?: Record<string, string> | undefined;
  payload?: string | undefined;
  deeplinkPayload?: string | undefined;
  countryCode?: string | undefined;
  userId?: string | undefined;
  parentUserId?: string | undefined;
  userName?: string | undefined;
  phoneNumberId?: string | undefined;
}

/** A WACID: base64 that holds the user's number, where it is one, and ends in `==`. */
export function newWacid(user: string): string {
  const digits = /^\+([1-9][0-9]{6,14})$/.exec(user)?.[1] ?? '';
  const head = Buffer.from(`\x1c\x18${String.fromCharCode(digits.length)}${digits}`, 'latin1');
  return `wacid.${Buffer.concat([head, randomBytes(37 - head.length)]).toString('base64')}`;
}

export function callIdOf(wacid: string): string {
  return `outgoing:${wacid}`;
}

export function newFromTag(): string {
  return randomUUID();
}

export function requestUri(call: CallIdentity): string {
  return `sip:${call.number}${call.userParams === '' ? '' : `;${call.userParams}`}@${call.domain};transport=tls`;
}

/** Meta's Contact for the user; requests of the business carry this URI whole (META-SIP §4.2). */
export function contactUri(user: string): string {
  return `sip:${user}@${META_HOST};transport=tls;ob`;
}

function branch(): string {
  return `z9hG4bKPj${randomBytes(16).toString('hex')}`;
}

function internalAddress(): string {
  const group = (): string => randomInt(1, 0xffff).toString(16);
  return `2803:6080:${group()}:${group()}:${group()}:${group()}::`;
}

/** Three Vias with two Record-Routes between the first and the second; the top sent-by is an address inside Meta. */
function addPath(message: SipMessage, recordRoutes: boolean): void {
  const inner = internalAddress();
  message.add('Via', `SIP/2.0/TLS [${internalAddress()}]:${randomInt(30000, 60000)};rport;branch=${branch()};alias`);
  if (recordRoutes) for (const route of RECORD_ROUTES) message.add('Record-Route', route);
  const port = randomInt(30000, 60000);
  message.add('Via', `SIP/2.0/TLS [${inner}]:${port};rport=${port};received=${inner};branch=${branch()};alias`);
  message.add('Via', `SIP/2.0/TLS 31.13.66.${randomInt(1, 250)}:${randomInt(30000, 60000)};rport=${port};received=${inner};branch=${branch()};alias`);
}

function addEnds(message: SipMessage, call: CallIdentity, to: string): void {
  message.add('Max-Forwards', '69');
  message.add('From', `${call.displayName === '' ? '' : `"${call.displayName.replace(/["\\]/g, '\\$&')}" `}<sip:${call.from}@${META_HOST}>;tag=${call.fromTag}`);
  message.add('To', to);
}

function addIdentity(message: SipMessage, call: CallIdentity, extras: CallExtras): void {
  message.add('X-FB-External-Domain', META_HOST).add('x-wa-meta-wacid', call.wacid);
  const optional: [string, string | undefined][] = [
    ['x-wa-meta-cta-payload', extras.payload], ['x-wa-meta-deeplink-payload', extras.deeplinkPayload], ['x-wa-meta-user-id', extras.userId],
    ['x-wa-meta-parent-user-id', extras.parentUserId], ['x-wa-meta-user-name', extras.userName], ['x-wa-meta-country-code', extras.countryCode],
    ['x-wa-meta-phone-number-id', extras.phoneNumberId],
  ];
  for (const [name, value] of optional) if (value !== undefined) message.add(name, value);
}

function toOf(call: CallIdentity): string {
  return `<sip:${call.number}@${call.domain}>`;
}

/** INVITE of a user-initiated call. `authorization` is the header and value that answer a challenge. */
export function inviteMessage(call: CallIdentity, extras: CallExtras, seq: number, sdp: string, authorization?: [string, string]): SipMessage {
  const invite = SipMessage.request('INVITE', requestUri(call));
  addPath(invite, true);
  addEnds(invite, call, toOf(call));
  invite.add('Contact', `<${contactUri(call.from)}>;isfocus`).add('Call-ID', call.callId).add('CSeq', `${seq} INVITE`);
  if (authorization !== undefined) invite.add(...authorization);
  addIdentity(invite, call, extras);
  invite.add('Allow', ALLOW).add('User-Agent', 'Facebook SipGateway').add('Content-Type', 'application/sdp');
  invite.body = sdp;
  for (const [name, value] of Object.entries(extras.headers ?? {})) invite.set(name, value);
  return invite;
}

/** CANCEL of an INVITE: hop by hop, so one Via, the same as the INVITE's top one (RFC 3261 §9.1). */
export function cancelMessage(invite: SipMessage): SipMessage {
  const cancel = SipMessage.request('CANCEL', invite.uri);
  cancel.add('Via', invite.list('via')[0] ?? '').add('Max-Forwards', '69');
  for (const name of ['From', 'To', 'Call-ID']) cancel.add(name, invite.get(name) ?? '');
  return cancel.add('CSeq', `${(invite.get('cseq') ?? '').split(' ')[0]} CANCEL`).add('X-FB-External-Domain', META_HOST).add('User-Agent', 'Facebook SipGateway');
}

/** The far side of a dialog, as Meta's requests address it. */
export interface DialogTarget {
  /** Contact URI of the business. */
  uri: string;
  /** To value with the business's tag. */
  to: string;
  /** Record-Routes of the business itself, nearest to Meta first. */
  routes: string[];
}

export function ackMessage(call: CallIdentity, target: DialogTarget, seq: number): SipMessage {
  const ack = SipMessage.request('ACK', target.uri);
  addPath(ack, false);
  for (const route of target.routes) ack.add('Route', route);
  addEnds(ack, call, target.to);
  return ack.add('Call-ID', call.callId).add('CSeq', `${seq} ACK`).add('X-FB-External-Domain', META_HOST).add('User-Agent', 'Facebook SipGateway');
}

/** BYE of Meta's, with the call's duration in whole seconds (META-SIP §5.3, §7). */
export function byeMessage(
  call: CallIdentity, extras: CallExtras, target: DialogTarget, { seq, durationS, reason }: { readonly seq: number; readonly durationS: number; readonly reason: string | undefined },
): SipMessage {
  const bye = SipMessage.request('BYE', target.uri);
  addPath(bye, true);
  for (const route of target.routes) bye.add('Route', route);
  addEnds(bye, call, target.to);
  bye.add('Call-ID', call.callId).add('CSeq', `${seq} BYE`);
  if (reason !== undefined) bye.add('Reason', reason);
  addIdentity(bye, call, { userId: extras.userId, parentUserId: extras.parentUserId, userName: extras.userName });
  return bye.add('x-wa-meta-call-duration', String(durationS)).add('User-Agent', 'Facebook SipGateway');
}
