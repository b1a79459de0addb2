/** What an error means for the call that it happens to. */
export interface ErrorVerdict {
  /** SIP status of the refusal, where it ends a call before its answer. */
  readonly status: number;
  /** Reason of the call's termination by us (docs/reference/terminations.md). */
  readonly reason: 'badSdp' | 'mediaUnavailable' | 'sipLost' | 'fault';
  /** The far end's doing: it sent what cannot be used. Nothing of ours is broken, and what stood before still stands. */
  readonly theirs: boolean;
  /** Another target of a route may take the call where this one could not. */
  readonly mayFailOver: boolean;
}

const ours = { theirs: false, mayFailOver: false } as const;
/** What stops a start or a command; were it to happen in a call, it would be a fault of ours. */
const fault = { status: 500, reason: 'fault', ...ours } as const;

/** The table of error codes. A code is never reused for another meaning. */
export const errorTable = {
  CONFIG_INVALID: { ...fault, text: 'the configuration is not valid' },
  SDP_UNACCEPTABLE: { status: 488, reason: 'badSdp', theirs: true, mayFailOver: true, text: 'the session description cannot be used' },
  MEDIA_UNAVAILABLE: { status: 503, reason: 'mediaUnavailable', ...ours, text: 'no media engine can take the call' },
  MEDIA_REFUSED: { status: 500, reason: 'mediaUnavailable', ...ours, text: 'the media engine refused a request' },
  SIP_UNAVAILABLE: { status: 503, reason: 'sipLost', ...ours, text: 'no SIP server is connected' },
  PEER_UNREACHABLE: { status: 503, reason: 'fault', theirs: true, mayFailOver: true, text: 'the peer cannot be reached' },
  PORT_IN_USE: { ...fault, text: 'a listening address is already in use' },
  ADDRESS_UNUSABLE: { ...fault, text: 'a listening address cannot be opened' },
  FILE_UNREADABLE: { ...fault, text: 'a file cannot be read' },
  FILE_UNWRITABLE: { ...fault, text: 'a file cannot be written' },
  FILE_IN_USE: { ...fault, text: 'a file is in use by another process' },
  STATE_UNUSABLE: { ...fault, text: 'the Redis of the state cannot be used' },
  GRAPH_REFUSED: { ...fault, text: "Meta's Graph API refuses" },
  GRAPH_UNAVAILABLE: { ...fault, text: "Meta's Graph API gives no answer that can be used" },
  CERTIFICATE_UNUSABLE: { ...fault, text: 'a certificate or its key cannot be used' },
} as const satisfies Record<string, ErrorVerdict & { readonly text: string }>;

export type ErrorCode = keyof typeof errorTable;

/** An error with a code from the table; `message` is the table's text and the detail. */
export class WabError extends Error {
  readonly code: ErrorCode;
  /** What it means for the call that it happens to. */
  readonly verdict: ErrorVerdict;
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
    this.verdict = errorTable[code];
  }

  /** SIP status of the request that it ends, as an error of drachtio-srf has. */
  get status(): number {
    return this.verdict.status;
  }
}

/** What any error means for the call that it happens to; one that is not of the table is a fault of ours. */
export function verdictOf(error: unknown): ErrorVerdict {
  return error instanceof WabError ? error.verdict : fault;
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
