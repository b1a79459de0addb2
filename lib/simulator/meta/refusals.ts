// Meta's refusals in Meta's words, as far as they are public (META-SIP §4.3).

export interface Refusal { status: number; text: string }

const PHONE_NUMBER_ID = '106540352242922';
const APP_ID = '634974688087057';

/** Name → status and reason text. `host` is the From host of the INVITE. Texts that META-SIP gives only in part are completed here. */
export const REFUSALS = {
  unknownNumber: () => ({ status: 400, text: 'Asset not found, invalid business phone number' }),
  serverMismatch: (host) => ({ status: 403, text: `SIP server \`${host}\` from INVITE does not match any SIP server configured for phone number id ${PHONE_NUMBER_ID}` }),
  noPermission: () => ({ status: 403, text: 'No Approved Call Permission Found: the user has not permitted this business to call' }),
  appNotAuthorized: (host) => ({ status: 403, text: `The app ${APP_ID} configured for SIP server \`${host}\` is not authorized for phone number id ${PHONE_NUMBER_ID}` }),
  dayLimit: () => ({ status: 403, text: 'Business Initiated Connected Call Per Day Limit Hit' }),
  duplicate: () => ({ status: 403, text: 'Duplicate call: a call between this business and this user is already in progress' }),
  badDigest: () => ({ status: 403, text: 'Authentication failed: invalid digest credentials' }),
  uriMismatch: () => ({ status: 403, text: 'Proxy auth uri does not match SIP "to" uri' }),
  payment: () => ({ status: 403, text: 'Business eligibility payment issue' }),
  sdp: () => ({ status: 403, text: 'SDP Validation Error' }),
  noFingerprint: () => ({ status: 403, text: 'SDP Validation Error: No fingerprint found in SDP' }),
  notFound: () => ({ status: 404, text: 'Not Found' }),
  rtpTimeout: () => ({ status: 408, text: 'RTP Timeout' }),
  unreachable: () => ({ status: 480, text: 'Temporarily Unavailable' }),
  declined: () => ({ status: 486, text: 'User declined the call' }),
  error: () => ({ status: 500, text: 'Server Internal Error' }),
  overload: () => ({ status: 503, text: 'Service Unavailable' }),
} as const satisfies Record<string, (host: string) => Refusal>;

export type RefusalName = keyof typeof REFUSALS;

export function isRefusalName(name: string): name is RefusalName {
  return Object.hasOwn(REFUSALS, name);
}

/** The refusal of that name. */
export function refusalFor(name: RefusalName, host: string): Refusal {
  const make: (host: string) => Refusal = REFUSALS[name];
  return make(host);
}
