// SRTP and SRTCP with AES_CM_128_HMAC_SHA1_80, by werift; keys by SDES (RFC 4568) or DTLS (RFC 5764).
import { randomBytes } from 'node:crypto';
import { RtpHeader, SrtcpSession, SrtpSession } from 'werift';
import type { RtpPacket } from './rtp.js';

export const SUITE = 'AES_CM_128_HMAC_SHA1_80';
/** Profile number of that suite in RFC 5764 §4.1.2, which werift goes by. */
const PROFILE = 0x0001;

/** Master key (16 bytes) and salt (14 bytes) of one direction. */
export interface MasterKey { key: Buffer; salt: Buffer }

/** Both directions of one session. */
export interface SrtpKeys { local: MasterKey; remote: MasterKey }

/** One `a=crypto` line, read. */
export interface CryptoLine { tag: number; suite: string; master: MasterKey | undefined; extra: string }

export function newMasterKey(): MasterKey {
  return { key: randomBytes(16), salt: randomBytes(14) };
}

/** Value of an `a=crypto` attribute for a key of ours: no lifetime, no MKI (META-SIP §6.1). */
export function writeCrypto(tag: number, master: MasterKey): string {
  return `${tag} ${SUITE} inline:${Buffer.concat([master.key, master.salt]).toString('base64')}`;
}

/** Reads the value of an `a=crypto` attribute; `master` is undefined unless it is a 30-byte inline key. Undefined when it is no crypto line at all. */
export function parseCrypto(value: string): CryptoLine | undefined {
  const m = /^(\d{1,9}) (\S+) inline:([A-Za-z0-9+/=]+)(\S*)(?: (.*))?$/.exec(value);
  if (m === null) return undefined;
  const bytes = Buffer.from(m[3] ?? '', 'base64');
  return {
    tag: Number(m[1]), suite: m[2] ?? '', extra: `${m[4] ?? ''}${m[5] ?? ''}`,
    master: bytes.length === 30 ? { key: bytes.subarray(0, 16), salt: bytes.subarray(16) } : undefined,
  };
}

/** Protection of both directions of one media session. */
export class Srtp {
  private readonly rtp: SrtpSession;
  private readonly rtcp: SrtcpSession;

  constructor(keys: SrtpKeys) {
    const config = {
      keys: {
        localMasterKey: keys.local.key, localMasterSalt: keys.local.salt, remoteMasterKey: keys.remote.key, remoteMasterSalt: keys.remote.salt,
      },
      profile: PROFILE as 1,
    };
    this.rtp = new SrtpSession(config);
    this.rtcp = new SrtcpSession(config);
  }

  protect(packet: RtpPacket): Buffer {
    const header = new RtpHeader({
      payloadType: packet.payloadType, marker: packet.marker, sequenceNumber: packet.sequence, timestamp: packet.timestamp, ssrc: packet.ssrc,
    });
    return this.rtp.encrypt(packet.payload, header);
  }

  /** The packet in clear, or undefined when it does not authenticate. */
  unprotect(bytes: Buffer): Buffer | undefined {
    try {
      return this.rtp.decrypt(bytes);
    } catch {
      return undefined;
    }
  }

  protectRtcp(bytes: Buffer): Buffer {
    return this.rtcp.encrypt(bytes);
  }

  unprotectRtcp(bytes: Buffer): Buffer | undefined {
    try {
      return this.rtcp.decrypt(bytes);
    } catch {
      return undefined;
    }
  }
}
