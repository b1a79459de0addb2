import { WabError } from '../../errors.js';
import { sessionKeys, type SessionKeys } from './derive.js';
import { GcmProtection } from './gcmProtection.js';
import { HmacProtection } from './hmacProtection.js';
import type { Protection } from './protection.js';
import { suiteOf, type SrtpKeys } from './suites.js';

/** Most SSRCs that one key knows in a direction; state of about 200 bytes each. */
export const MOST_SSRCS = 1024;

/** What protects one stream of packets. @throws WabError 'SDP_UNACCEPTABLE' for keys that do not fit their suite. */
export function protectionOf(keys: SrtpKeys, packets: 'rtp' | 'rtcp'): Protection {
  const suite = suiteOf(keys.suite);
  const mki = keys.mki ?? Buffer.alloc(0);
  if (keys.key.length !== suite.keyBytes || keys.salt.length !== suite.saltBytes || mki.length > 128) {
    throw new WabError('SDP_UNACCEPTABLE', `keys of ${keys.suite} of another length`);
  }
  return protectionUnder(keys.suite, sessionKeys(keys, packets), mki);
}

/** The same with session keys, as the vectors of RFC 7714 give them. */
export function protectionUnder(name: string, session: SessionKeys, mki: Buffer): Protection {
  const suite = suiteOf(name);
  return suite.cipher === 'gcm' ? new GcmProtection(session, mki) : new HmacProtection(suite, session, mki);
}
