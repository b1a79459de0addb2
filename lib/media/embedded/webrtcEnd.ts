import { WabError } from '../../errors.js';
import type { DtlsDescription, DtlsSetup, EnginePort, IceDescription, PeerMedia } from '../../sdp/index.js';
import { hostCandidate, newIceCredentials } from '../ice/index.js';
import type { Remote } from '../relay/messages.js';
import type { DtlsSettings } from '../relay/wire/settings.js';

/** Theirs as they stand. */
interface Known {
  readonly ice: IceDescription;
  readonly dtls: DtlsDescription;
}

/** Our end of ICE and DTLS towards one peer: what it is told, which role each end has, and what its description begins anew. */
export class WebrtcEnd {
  readonly #fingerprint: { readonly hash: string; readonly value: string };
  #own = newIceCredentials();
  #controlling = false;
  #role: DtlsSettings['role'] = 'client';
  #known: Known | null = null;

  /** `fingerprint`: a=fingerprint of our certificate, "sha-256 AB:CD…". */
  constructor(fingerprint: string) {
    const [hash = '', value = ''] = fingerprint.split(' ');
    this.#fingerprint = { hash, value };
  }

  /** As an offer of ours says it. `places`: our addresses, the best one first. */
  offered(places: readonly Remote[]): Pick<EnginePort, 'ice' | 'dtls'> {
    // RFC 8445 §6.1.1: who offers controls.
    if (this.#known === null) this.#controlling = true;
    // RFC 5763 §5.
    return this.#told(places, 'actpass');
  }

  /** As our answer to what was taken says it. */
  answered(places: readonly Remote[]): Pick<EnginePort, 'ice' | 'dtls'> {
    return this.#told(places, this.#role === 'client' ? 'active' : 'passive');
  }

  /** Their description. `offers`: it is an offer, and what it restarts we restart (RFC 8839 §4.4.1.1.1). @throws WabError 'SDP_UNACCEPTABLE'. */
  take({ audio: { ice, dtls } }: PeerMedia, offers: boolean): void {
    if (ice === null || dtls === null) throw new WabError('SDP_UNACCEPTABLE', 'no ICE or no fingerprint');
    const before = this.#known;
    // RFC 8842 §4: with another certificate another association; else each end keeps its role, whatever setup an offer names.
    const isAnother = before === null || JSON.stringify(before.dtls.fingerprints) !== JSON.stringify(dtls.fingerprints);
    const restarts = before !== null && (isAnother || before.ice.ufrag !== ice.ufrag || before.ice.pwd !== ice.pwd);
    if (restarts && offers) this.#own = newIceCredentials();
    if (isAnother) this.#role = dtls.setup === 'active' ? 'server' : 'client';
    this.#known = { ice, dtls };
  }

  /** What the port is to speak; `local`: where it is, as the peer was told. @throws WabError 'MEDIA_REFUSED' while nothing is known of the peer. */
  settings(local: Remote): DtlsSettings {
    if (this.#known === null) throw new WabError('MEDIA_REFUSED', 'the peer has described nothing yet');
    const { ice, dtls } = this.#known;
    return { controlling: ice.lite || this.#controlling, own: { ...this.#own, local }, remote: ice, role: this.#role, fingerprints: dtls.fingerprints };
  }

  #told(places: readonly Remote[], setup: DtlsSetup): Pick<EnginePort, 'ice' | 'dtls'> {
    const candidates = places.map((place, i) => {
      const candidate = hostCandidate(place);
      // RFC 8445 §5.1.2.1: each its own priority.
      return { ...candidate, priority: candidate.priority - i * 2 ** 8 };
    });
    return { ice: { ...this.#own, lite: false, candidates }, dtls: { setup, fingerprints: [this.#fingerprint] } };
  }
}
