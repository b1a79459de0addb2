// A PBX that asks for credentials.
import { randomUUID } from 'node:crypto';
import { newTag } from '../sip/agent.js';
import { parseDigest, provesPassword } from '../sip/digest.js';
import { tagOf } from '../../sipserver/parser/index.js';
import type { ServerTransaction } from '../sip/transactions.js';
import type { PeerChallenge } from './behaviour.js';

export class Challenger {
  private readonly nonces = new Set<string>();

  /** True when the request proves the password by a nonce of ours; else it has been answered, with a challenge or 403. */
  admits(transaction: ServerTransaction, challenge: PeerChallenge): boolean {
    const { request } = transaction;
    const given = parseDigest(request.get(challenge.status === 401 ? 'authorization' : 'proxy-authorization') ?? '');
    if (given !== undefined && this.nonces.has(given['nonce'] ?? '') && given['username'] === challenge.username && given['realm'] === challenge.realm
      && isFor(given['uri'], request.uri) && provesPassword(given, request.method, challenge.password)) return true;
    const tag = tagOf(request.get('to') ?? '') === undefined ? newTag() : undefined;
    const response = transaction.reply(given === undefined ? challenge.status : 403, undefined, tag);
    if (given === undefined) {
      for (const algorithm of challenge.algorithms) {
        const nonce = randomUUID();
        this.nonces.add(nonce);
        response.add(challenge.status === 401 ? 'WWW-Authenticate' : 'Proxy-Authenticate', `Digest realm="${challenge.realm}", nonce="${nonce}", algorithm=${algorithm}, qop="auth"`);
      }
    }
    transaction.respond(response);
    return false;
  }
}

/** RFC 7616 §3.4.6: the digest's URI names the same resource. Meta leaves the URI's parameters out of it (docs/meta-sip.md). */
function isFor(uri: string | undefined, target: string): boolean {
  return uri !== undefined && uri.split(';', 1)[0] === target.split(';', 1)[0];
}
