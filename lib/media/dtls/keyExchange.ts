// Ephemeral keys (RFC 8422 §5.10, 5.11) and signatures (RFC 5246 §4.7, RFC 8446 §4.2.3) of the handshake.
import { constants, createECDH, createPublicKey, diffieHellman, generateKeyPairSync, sign, verify, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { ALERT, DtlsFault } from './alerts.js';

/** Our half of an exchange: what is sent of it, and the secret that comes of the other half. */
export interface KeyShare {
  readonly publicKey: Buffer;
  secret(theirs: Buffer): Buffer;
}

/** Before the 32 bytes of a key on X25519 in its SubjectPublicKeyInfo (RFC 8410 §4). */
const X25519_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');

const onCurve = (name: string) => (): KeyShare => {
  const ecdh = createECDH(name);
  return { publicKey: ecdh.generateKeys(), secret: (theirs) => ecdh.computeSecret(theirs) };
};

function onX25519(): KeyShare {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  const secret = (theirs: Buffer): Buffer =>
    diffieHellman({ privateKey, publicKey: createPublicKey({ key: Buffer.concat([X25519_PREFIX, theirs]), format: 'der', type: 'spki' }) });
  return { publicKey: publicKey.export({ format: 'der', type: 'spki' }).subarray(X25519_PREFIX.length), secret };
}

/** Named groups in the order we prefer them: P-256 is the cheapest one in Node, and the one of our certificate. */
const GROUPS: ReadonlyMap<number, () => KeyShare> = new Map([[23, onCurve('prime256v1')], [29, onX25519], [24, onCurve('secp384r1')]]);
export const GROUP_CODES: readonly number[] = [...GROUPS.keys()];

export function makeShare(group: number): KeyShare {
  const make = GROUPS.get(group);
  if (make === undefined) throw new DtlsFault(ALERT.illegalParameter, `a group that was not offered: ${group}`);
  return make();
}

export function sharedSecret(share: KeyShare, theirs: Buffer): Buffer {
  try {
    return share.secret(theirs);
  } catch {
    throw new DtlsFault(ALERT.illegalParameter, 'not a point of the group');
  }
}

interface Scheme { readonly key: 'ec' | 'rsa'; readonly hash: string; readonly pss?: true }

/** Signature schemes that are accepted, in our order. None with SHA-1. */
const SCHEMES: ReadonlyMap<number, Scheme> = new Map<number, Scheme>([
  [0x0403, { key: 'ec', hash: 'sha256' }], [0x0503, { key: 'ec', hash: 'sha384' }], [0x0603, { key: 'ec', hash: 'sha512' }],
  [0x0804, { key: 'rsa', hash: 'sha256', pss: true }], [0x0805, { key: 'rsa', hash: 'sha384', pss: true }], [0x0806, { key: 'rsa', hash: 'sha512', pss: true }],
  [0x0401, { key: 'rsa', hash: 'sha256' }], [0x0501, { key: 'rsa', hash: 'sha384' }], [0x0601, { key: 'rsa', hash: 'sha512' }],
]);
export const SCHEME_CODES: readonly number[] = [...SCHEMES.keys()];
/** ecdsa_secp256r1_sha256: what our certificate signs with. */
export const OUR_SCHEME = 0x0403;

const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);
/** Checking takes longer with longer keys, and a stranger may choose one. */
const RSA_BITS = { least: 1024, most: 4096 } as const;
const USUAL_EXPONENT = 65_537n;

/** The key of a certificate as it came. */
export function publicKeyOf(certificate: Buffer): KeyObject {
  let key: KeyObject;
  try {
    key = new X509Certificate(certificate).publicKey;
  } catch {
    throw new DtlsFault(ALERT.badCertificate, 'the certificate cannot be read');
  }
  const { namedCurve = '', modulusLength = 0, publicExponent } = key.asymmetricKeyDetails ?? {};
  const usable = key.asymmetricKeyType === 'ec' ? CURVES.has(namedCurve)
    : key.asymmetricKeyType === 'rsa' && modulusLength >= RSA_BITS.least && modulusLength <= RSA_BITS.most && publicExponent === USUAL_EXPONENT;
  if (!usable) throw new DtlsFault(ALERT.unsupportedCertificate, `a key that is not accepted: ${key.asymmetricKeyType ?? ''} ${namedCurve || modulusLength}`);
  return key;
}

/** Throws unless the holder of `key` signed `content`. */
export function checkSignature(key: KeyObject, code: number, content: Buffer, signature: Buffer): void {
  const scheme = SCHEMES.get(code);
  if (scheme === undefined || scheme.key !== key.asymmetricKeyType) throw new DtlsFault(ALERT.illegalParameter, `a signature scheme that was not offered: ${code.toString(16)}`);
  // RFC 8446 §4.2.3: the salt is as long as the hash.
  const padding = scheme.pss === true ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST } : {};
  if (!verify(scheme.hash, content, { key, ...padding }, signature)) throw new DtlsFault(ALERT.decryptError, 'a signature does not verify');
}

export function signWith(key: KeyObject, content: Buffer): Buffer {
  return sign('sha256', content, key);
}
