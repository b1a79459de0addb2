// Candidates, their priorities, credentials (RFC 8445 §5.1, §5.3, §6.1.2.3).
import type { IceCandidate } from '../../sdp/index.js';
import { randomBytes } from '../../util/randomBytes.js';
import { familyOf, type Family, type IceAddress } from './address.js';
import { crc32 } from './crc32.js';

/** RFC 8445 §5.1.2.2: type preferences. */
const PREFERENCE = { host: 126, peerReflexive: 110 } as const;
const COMPONENT = 1;

/** RFC 8445 §5.3: at least 24 and 128 bits of chance; the letters are ice-chars (RFC 8839 §5.4). */
export function newIceCredentials(): { ufrag: string; pwd: string } {
  return { ufrag: randomBytes(6).toString('base64'), pwd: randomBytes(18).toString('base64') };
}

/** An address of ours as it is told: RTP and RTCP on one port (component 1), UDP. */
export function hostCandidate(address: IceAddress): IceCandidate {
  return {
    // RFC 8445 §5.1.1.3: the same for candidates of one type, base address and transport.
    foundation: String(crc32(Buffer.from(`host udp ${address.address}`))),
    component: COMPONENT, transport: 'udp', priority: hostPriority(familyOf(address.address)), ...address, type: 'host',
  };
}

export function hostPriority(family: Family): number {
  return priority(PREFERENCE.host, family);
}

/** What a check says of us: the priority of the address that the other side may find us to have (RFC 8445 §7.1.1). */
export function peerReflexivePriority(family: Family): number {
  return priority(PREFERENCE.peerReflexive, family);
}

/** RFC 8445 §5.1.2.1. One address of each family, IPv6 before IPv4 (RFC 8421 §4). */
function priority(preference: number, family: Family): number {
  return preference * 2 ** 24 + (family === 6 ? 65535 : 65534) * 2 ** 8 + (256 - COMPONENT);
}

/** RFC 8445 §6.1.2.3: G is the controlling side's priority, D the controlled one's. */
export function pairPriority(controlling: number, controlled: number): bigint {
  const [low, high] = controlling < controlled ? [controlling, controlled] : [controlled, controlling];
  return (BigInt(low) << 32n) + 2n * BigInt(high) + (controlling > controlled ? 1n : 0n);
}
