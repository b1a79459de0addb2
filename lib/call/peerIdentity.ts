import type { Config } from '../config/types.js';
import type { DigestServer } from '../sip/digestServer.js';
import type { SipRequest, SipResponse } from '../sip/drachtio.js';
import type { Source } from '../sip/source.js';

export type PeerIdentity =
  | { readonly known: true; readonly peer: string }
  /** A challenge has been sent; the request will come again. */
  | { readonly known: false; readonly challenged: true }
  | { readonly known: false; readonly challenged: false; readonly why: string };

/**
 * Which peer a request is from: by source address, by digest, or by both when the peer has both.
 * Strangers are challenged only where a peer without sources exists that could be behind any address.
 */
export function identifyPeer(config: Config, digest: DigestServer, source: Source, req: SipRequest, res: SipResponse): PeerIdentity {
  const byAddress = source.kind === 'peer' ? source.peer : null;
  const candidates = Object.entries(config.peers).flatMap(([name, peer]) =>
    (peer.digest !== null && (byAddress === null ? peer.sources.length === 0 : name === byAddress) ? [{ name, ...peer.digest }] : []));
  if (candidates.length === 0) {
    return byAddress === null ? { known: false, challenged: false, why: 'neither meta.sources nor any peers[].sources match' } : { known: true, peer: byAddress };
  }
  const callId = req.get('Call-ID') ?? '';
  const verdict = digest.verify(req.get('Authorization') ?? req.get('Proxy-Authorization'), { method: req.method, callId },
    (username) => candidates.find((c) => c.username === username)?.password ?? null);
  if (verdict.ok) return { known: true, peer: candidates.find((c) => c.username === verdict.username)!.name };
  if (!verdict.challenge) return { known: false, challenged: false, why: `digest refused: ${verdict.reason}` };
  // One header line an algorithm (RFC 8760 §2.4); drachtio-srf writes a value as it is, so the line break makes two.
  res.send(401, { headers: { 'WWW-Authenticate': digest.challenge(callId, verdict.stale).join('\r\nWWW-Authenticate: ') } });
  return { known: false, challenged: true };
}
