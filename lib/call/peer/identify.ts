import { isKnownByDigest } from '../../config/domains.js';
import type { PeerConfig } from '../../config/types.js';
import type { SipRequest, SipResponse } from '../../sip/drachtio.js';
import type { Source } from '../../sip/source.js';
import type { Identifying } from '../context.js';

export type PeerIdentity =
  /** `account`: the user of a peer whose users register; null for other peers. */
  | { readonly known: true; readonly peer: string; readonly account: string | null }
  /** The request has been answered, or will be: with a challenge, which makes it come again, or with a refusal. */
  | { readonly known: false; readonly answered: true }
  | { readonly known: false; readonly answered: false; readonly why: string };

/** A peer that calls. */
export interface Caller {
  readonly name: string;
  readonly config: PeerConfig;
  /** The user who calls, of a peer whose users register; only what was verified says so. Null for other peers. */
  readonly account: string | null;
}

interface Candidate {
  readonly peer: string;
  readonly password: string;
  readonly account: string | null;
}

/**
 * Which peer a request is from: by source address, by digest, or by both when the peer has both; a registered device by digest.
 * Strangers are challenged only where a peer without sources and without tls.ca exists that could be behind any address.
 */
export function identifyPeer({ rules, authenticator, registrar }: Identifying, source: Source, req: SipRequest, res: SipResponse): PeerIdentity {
  const address = req.source_address;
  // A device that registered from this very socket is that device, whoever else may call from its address.
  const byAddress = source.kind === 'peer' && registrar.peerAt(address, req.source_port) === null ? source.peer : null;
  const trunks = Object.entries(rules().config.peers).flatMap(([name, peer]) =>
    (peer.digest !== null && (byAddress === null ? isKnownByDigest(peer) : name === byAddress) ? [{ name, digest: peer.digest }] : []));
  const devices = byAddress === null && registrar.serves(address);
  if (trunks.length === 0 && !devices) {
    return byAddress === null ? { known: false, answered: false, why: 'neither meta.sources nor any peers[].sources match' } : { known: true, peer: byAddress, account: null };
  }
  const find = (username: string): Candidate | null => {
    const trunk = trunks.find(({ digest }) => digest.username === username);
    if (trunk !== undefined) return { peer: trunk.name, password: trunk.digest.password, account: null };
    const account = devices ? registrar.account(username, address) : null;
    return account === null ? null : { ...account, account: username };
  };
  // An address that is a peer's own is not banned for the operator's mistake.
  const shown = authenticator.take(req, res, (username) => find(username)?.password ?? null, byAddress !== null);
  const caller = shown.ok ? find(shown.user) : null;
  return caller === null ? { known: false, answered: true } : { known: true, peer: caller.peer, account: caller.account };
}
