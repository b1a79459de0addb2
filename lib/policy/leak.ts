import type { LeakSign } from '../config/types.js';
import type { CompiledPolicy } from './compile.js';
import { hostKey } from '../util/hostKey.js';
import { hasIsup, headerValues, mediaHosts, mentions, pstnMention } from './origin.js';
import { canonicalUser, findUser } from './pattern/users.js';
import type { Denial, PeerMessageFacts } from './types.js';
import { portOf } from '../sip/uri.js';

/** A sign that a peer went out to the PSTN after a call was handed to it. */
export interface Leak {
  readonly sign: LeakSign;
  /** End the call with the verdict's status (before the answer) or BYE; otherwise it is for the audit log only. */
  readonly enforce: boolean;
  readonly verdict: Denial;
}

type Sign = (policy: CompiledPolicy, facts: PeerMessageFacts) => string | null;

const signs: Readonly<Record<LeakSign, Sign>> = {
  isupBody: (_policy, { headers, body }) => (hasIsup(headers, body) ? 'the message carries ISUP' : null),
  divertedToNumber: (policy, facts) => {
    // RFC 7044 §7, RFC 5806: where the call has gone on to. Users of the peer that are written out are numbers on-net.
    const users = policy.peers.get(facts.peer)?.users;
    const known = (user: string): boolean => Object.hasOwn(policy.config.numbers, user) || (users !== undefined && findUser(users, user) !== null);
    for (const header of ['history-info', 'diversion']) {
      for (const mention of mentions(facts.headers, header)) {
        const text = pstnMention(policy, mention, known);
        if (text !== null) return text;
      }
    }
    return null;
  },
  connectedNumber: (policy, facts) => {
    // RFC 3325 §9.1, RFC 4916 §4.4: who the user talks with now. Remote-Party-ID is its forerunner; the From of a request in a dialog may change.
    const users = policy.peers.get(facts.peer)?.users;
    const parties = new Set((facts.parties ?? []).map(bareNumber));
    const known = (user: string): boolean => parties.has(bareNumber(user)) || Object.hasOwn(policy.config.numbers, `+${bareNumber(user)}`) || (users !== undefined && findUser(users, user) !== null);
    for (const header of ['p-asserted-identity', 'remote-party-id', ...facts.status === null ? ['from'] : []]) {
      for (const mention of mentions(facts.headers, header)) {
        const text = pstnMention(policy, mention, known);
        if (text !== null) return `connected to a telephone number: ${text}`;
      }
    }
    return null;
  },
  contactAtGateway: (policy, { headers, peer, status, source }) => {
    // A name of the configuration may lead anywhere; the address that answers is where the call has got to.
    if (source !== null && policy.isCarrier(hostKey(source))) return `it comes from a carrier's address, ${source}`;
    // The Contacts of a redirection are targets, and judged as such (RFC 3261 §8.1.3.4).
    if (status !== null && status >= 300) return null;
    for (const { uri } of mentions(headers, 'contact')) {
      if (uri === null || uri.scheme === 'tel') continue;
      const host = hostKey(uri.host);
      if (policy.isCarrier(host)) return `Contact is at a carrier's host, ${host}`;
      const gateway = policy.gatewayAt(host, portOf(uri));
      // The peer's own host at another port is the peer, unless a gateway is known to be right there.
      const shared = policy.peers.get(peer)?.hosts.has(host) === true && `${gateway?.host}:${gateway?.port}` !== `${host}:${portOf(uri)}`;
      if (gateway !== null && !shared) return `Contact is at peer ${gateway.name}, whose pstn is not none`;
    }
    return null;
  },
  carrierMedia: (policy, { body }) => {
    const address = mediaHosts(body).find((host) => policy.isCarrier(host));
    return address === undefined ? null : `media is at a carrier's address, ${address}`;
  },
  // RFC 3261 §21.1.3: the call is being forwarded; to where is not said.
  forwarded181: (_policy, { status }) => (status === 181 ? 'the peer forwards the call (181)' : null),
  // RFC 8606 §1 and RFC 6432 speak of Reason in responses: a Q.850 cause while ringing comes from an interworking gateway.
  q850Provisional: (_policy, { status, headers }) => {
    const provisional = status !== null && status > 100 && status < 200;
    return provisional && headerValues(headers, 'reason').some((value) => /(^|,)\s*q\.850\s*(;|$)/i.test(value)) ? 'a provisional response gives a Q.850 cause' : null;
  },
};

/** One spelling of a number with and without '+'. */
function bareNumber(user: string): string {
  return canonicalUser(user).replace(/^\+/, '');
}

/** Every sign in a message a peer sent on its leg, those that end the call first. Pure. */
export function judgeLeak(policy: CompiledPolicy, facts: PeerMessageFacts): readonly Leak[] {
  const leaks = (Object.keys(signs) as LeakSign[]).flatMap((sign): Leak[] => {
    const text = signs[sign](policy, facts);
    if (text === null) return [];
    const code = `leak.${sign}`;
    // RFC 3261 §21.6.2: 603, the call is declined wherever it might go.
    return [{ sign, enforce: policy.leaks[sign] === 'enforce', verdict: { allow: false, code, rule: code, status: 603, text: `peer ${facts.peer}: ${text}` } }];
  });
  return leaks.sort((a, b) => Number(b.enforce) - Number(a.enforce));
}
