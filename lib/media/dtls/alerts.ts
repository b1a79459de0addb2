// Alerts of TLS 1.2 (RFC 5246 §7.2, RFC 5764 §4.1.1) and the fault that leads to one.

export const ALERT = {
  closeNotify: 0, unexpectedMessage: 10, handshakeFailure: 40, badCertificate: 42, unsupportedCertificate: 43, illegalParameter: 47, decodeError: 50, decryptError: 51,
  protocolVersion: 70, internalError: 80, unsupportedExtension: 110,
} as const;

const NAMES: Readonly<Record<number, string>> = {
  0: 'close_notify', 10: 'unexpected_message', 20: 'bad_record_mac', 22: 'record_overflow', 40: 'handshake_failure', 42: 'bad_certificate', 43: 'unsupported_certificate',
  44: 'certificate_revoked', 45: 'certificate_expired', 46: 'certificate_unknown', 47: 'illegal_parameter', 48: 'unknown_ca', 49: 'access_denied', 50: 'decode_error',
  51: 'decrypt_error', 70: 'protocol_version', 71: 'insufficient_security', 80: 'internal_error', 90: 'user_canceled', 100: 'no_renegotiation', 109: 'missing_extension',
  110: 'unsupported_extension', 116: 'certificate_required',
};

export function alertName(code: number): string {
  return NAMES[code] ?? `alert ${code}`;
}

/** What somebody sent does not go with the protocol, or with what we accept. `alert`: what the far end is told when we give up for it. */
export class DtlsFault extends Error {
  readonly kind: 'fingerprint' | 'handshake' = 'handshake';

  constructor(readonly alert: number, message: string) {
    super(message);
  }
}

/** A certificate that the description does not name, beside a signature of its key's. */
export class WrongCertificate extends DtlsFault {
  override readonly kind = 'fingerprint';

  constructor() {
    super(ALERT.badCertificate, 'the certificate is not the one that a=fingerprint names');
  }
}

/** A fault of somebody who has read what we sent or holds the keys, so no stranger's: it ends the association. */
export class DtlsRefusal extends Error {
  constructor(readonly fault: DtlsFault) {
    super(fault.message);
  }
}
