/**
 * The table of error codes. A code is never reused for another meaning.
 * `status` is the SIP status a caller gets when the error ends its request.
 */
export const errorTable = {
  CONFIG_INVALID: { status: 500, text: 'the configuration is not valid' },
  SDP_UNACCEPTABLE: { status: 488, text: 'the session description cannot be used' },
  MEDIA_UNAVAILABLE: { status: 503, text: 'no media engine can take the call' },
  MEDIA_REFUSED: { status: 500, text: 'the media engine refused a request' },
  SIP_UNAVAILABLE: { status: 503, text: 'no SIP server is connected' },
  PEER_UNREACHABLE: { status: 503, text: 'the peer cannot be reached' },
  PORT_IN_USE: { status: 500, text: 'a listening address is already in use' },
  ADDRESS_UNUSABLE: { status: 500, text: 'a listening address cannot be opened' },
  FILE_UNREADABLE: { status: 500, text: 'a file cannot be read' },
  FILE_UNWRITABLE: { status: 500, text: 'a file cannot be written' },
  FILE_IN_USE: { status: 500, text: 'a file is in use by another process' },
  CERTIFICATE_UNUSABLE: { status: 500, text: 'a certificate or its key cannot be used' },
} as const satisfies Record<string, { status: number; text: string }>;

export type ErrorCode = keyof typeof errorTable;

/** An error with a code from the table; `message` is the table's text and the detail. */
export class WabError extends Error {
  readonly code: ErrorCode;
  /** SIP status that answers the request this error ended. */
  readonly status: number;
  /** What the message says beyond the table's text. */
  readonly detail: string;

  /** Warn code for a response to what it ended (RFC 3261 §20.43); null: none says more. */
  readonly warning: number | null;

  constructor(code: ErrorCode, detail: string, options?: { cause?: unknown; warning?: number }) {
    super(`${errorTable[code].text}: ${detail}`, options);
    this.name = 'WabError';
    this.code = code;
    this.detail = detail;
    this.warning = options?.warning ?? null;
    this.status = errorTable[code].status;
  }
}

/** Why `listen` ("tls:0.0.0.0:5061"), the value of the key `key`, cannot be listened on. */
export function listenError(key: string, listen: string, cause: unknown): WabError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const place = `${key}: ${listen}`;
  switch (code) {
    case 'EADDRINUSE': return new WabError('PORT_IN_USE', place, { cause });
    case 'EADDRNOTAVAIL': return new WabError('ADDRESS_UNUSABLE', `${place} is no address of this machine`, { cause });
    case 'EACCES': return new WabError('ADDRESS_UNUSABLE', `${place} is not ours to open: ports under 1024 need CAP_NET_BIND_SERVICE`, { cause });
    default: return new WabError('ADDRESS_UNUSABLE', `${place}: ${message}`, { cause });
  }
}
