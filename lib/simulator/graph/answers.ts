// Answers of the Graph API in Meta's layout. The texts are Meta's as far as they are public; the codes and their HTTP statuses are.
import { randomBytes } from 'node:crypto';

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Meta's error codes that the stand-in gives, each with its HTTP status (Meta's page "Troubleshooting"). */
const ERRORS = {
  100: [400, 'Invalid parameter'],
  190: [401, 'Invalid OAuth access token - Cannot parse access token'],
  200: [403, 'You do not have the necessary permissions'],
  2: [500, 'Service temporarily unavailable'],
  4: [429, 'Application request limit reached'],
  613: [429, 'Calls to this api have exceeded the rate limit.'],
  131009: [400, 'Parameter value is not valid'],
  131030: [400, 'Recipient phone number not in allowed list'],
  131047: [400, 'Re-engagement message'],
  131055: [400, 'Method not allowed'],
  2200: [400, 'Callback verification failed'],
  132001: [404, 'Template does not exist'],
  138000: [401, 'Calling not enabled'],
  138001: [400, 'Receiver uncallable'],
  138006: [401, 'No approved call permission from the recipient'],
  138009: [400, 'Limit reached for call permission request sent'],
  138012: [400, 'Limit reached for business initiated calls'],
  138013: [400, 'Business-initiated calling is not available'],
  138014: [400, 'Calling disabled due to low quality'],
  138015: [400, 'Calling cannot be enabled'],
  138017: [400, 'Calling permission already granted'],
  138018: [400, 'Calling cannot be enabled: prerequisites not met'],
} as const satisfies Record<number, readonly [number, string]>;

export type ErrorNumber = keyof typeof ERRORS;

/** Whether the stand-in gives this code. */
export function isErrorNumber(code: number): code is ErrorNumber {
  return Object.hasOwn(ERRORS, code);
}

/** An error body. `details` is the text that says what is wrong. */
export function refuse(code: ErrorNumber, details = '', more: Readonly<Record<string, unknown>> = {}): Answer {
  const [status, title] = ERRORS[code];
  const data = details === '' ? {} : { error_data: { messaging_product: 'whatsapp', details } };
  const error = { message: `(#${code}) ${title}`, type: 'OAuthException', code, ...data, ...more, fbtrace_id: `A${randomBytes(8).toString('hex').slice(1)}` };
  return { status, body: { error }, ...(status === 429 ? { headers: { 'retry-after': '1' } } : {}) };
}

export function good(body: unknown): Answer {
  return { status: 200, body };
}

export const done: Answer = good({ success: true });
