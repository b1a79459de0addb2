// How the stand-in of the Graph API strays from an honest one.

export interface GraphBehaviour {
  /** What goes wrong with answers; null: nothing. */
  readonly fault: 'down' | 'token' | 'rate' | 'slow' | 'truncated' | 'html' | 'false' | 'hangup' | null;
  /** How many requests the fault meets, then all is well. */
  readonly times: number;
  /** Path that it meets alone: settings, messages, call_permissions, subscribed_apps; null: any. */
  readonly only: string | null;
  readonly slowMs: number;
  /** Fields and words of tomorrow in answers. */
  readonly unknown: boolean;
  /** Ids are numbers, numbers are text, times are in the other form. */
  readonly loose: boolean;
  readonly resetsSrtp: boolean;
  readonly tellsDelivery: boolean;
  readonly duplicate: boolean;
  readonly lateMs: number;
  readonly disorder: boolean;
  /** How users answer a request by themselves; null: somebody says so. */
  readonly answer: 'accept' | 'permanent' | 'reject' | null;
  readonly answerMs: number;
  /** Users are known by BSUIDs alone: webhooks have no numbers. */
  readonly hidden: boolean;
}

export const HONEST: GraphBehaviour = {
  fault: null, times: Infinity, only: null, slowMs: 0, unknown: false, loose: false, resetsSrtp: false, tellsDelivery: false, duplicate: false, lateMs: 0, disorder: false, answer: null, answerMs: 200,
  hidden: false,
};

export const GRAPH_BEHAVIOUR_HELP = [
  'down | token | rate | html         answers: 500 code 2, 401 code 190, 429 code 4, a web page',
  'truncated | false | hangup         half an answer, success: false, no answer at all',
  'slow=SECONDS                       so long before each answer',
  'times=N                            the fault meets the next N requests only',
  'only=PATH                          it meets settings, messages, call_permissions or subscribed_apps only',
  'unknown | loose                    fields and words of tomorrow; ids as numbers, numbers as text',
  'resets                             a change of servers sets SRTP back to DTLS',
  'tells                              webhook_delivery is told by GET',
  'accept | permanent | reject        users answer a request so, by themselves',
  'after=SECONDS                      so long after it (default 0.2)',
  'hidden                             users are known by BSUIDs, not by numbers',
  'duplicate | disorder               webhooks come twice; each second before the one before it',
  'late=SECONDS                       webhooks come so late',
] as const;

/** Reads words joined by commas, e.g. `rate,times=1,accept`. Throws an Error that names the first unknown word. */
export function parseGraphBehaviour(text: string): GraphBehaviour {
  return text.split(',').map((part) => part.trim()).filter((part) => part !== '').reduce(apply, HONEST);
}

/** Words without a value → what they change. */
const WORDS: Readonly<Record<string, Partial<GraphBehaviour>>> = {
  down: { fault: 'down' }, token: { fault: 'token' }, rate: { fault: 'rate' }, truncated: { fault: 'truncated' }, html: { fault: 'html' }, false: { fault: 'false' }, hangup: { fault: 'hangup' },
  accept: { answer: 'accept' }, permanent: { answer: 'permanent' }, reject: { answer: 'reject' },
  unknown: { unknown: true }, loose: { loose: true }, duplicate: { duplicate: true }, disorder: { disorder: true }, hidden: { hidden: true },
  resets: { resetsSrtp: true }, tells: { tellsDelivery: true },
};

/** Words with a number → what they change. */
const NUMBERS: Readonly<Record<string, (value: number) => Partial<GraphBehaviour>>> = {
  slow: (value) => ({ fault: 'slow', slowMs: 1000 * value }), times: (value) => ({ times: value }),
  after: (value) => ({ answerMs: 1000 * value }), late: (value) => ({ lateMs: 1000 * value }),
};

function apply(behaviour: GraphBehaviour, part: string): GraphBehaviour {
  const [word = '', value = ''] = part.split('=');
  const change = Object.hasOwn(WORDS, word) && value === '' ? WORDS[word] : undefined;
  if (change !== undefined) return { ...behaviour, ...change };
  if (word === 'only' && value !== '') return { ...behaviour, only: value };
  const counted = Object.hasOwn(NUMBERS, word) && value !== '' && Number(value) >= 0 ? NUMBERS[word] : undefined;
  if (counted === undefined) throw new Error(`unknown behaviour: ${part}`);
  return { ...behaviour, ...counted(Number(value)) };
}
