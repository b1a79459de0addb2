// How a stand-in of a PBX user meets a call.
import type { SourceKind } from '../media/endpoint.js';
import type { DigestAlgorithm } from '../sip/digest.js';
import type { Direction } from '../sip/sdp.js';
import type { Renumbering } from './sdp.js';

export interface PeerBehaviour {
  /** What the caller hears once answered. */
  source: SourceKind;
  /** Time before any response at all, 100 Trying included. */
  slowMs: number;
  /** Time between 180 and the final answer; `Infinity` rings for ever. */
  ringMs: number;
  /** Final status other than 200. */
  status: number | undefined;
  /** Contact of a 302. */
  redirect: string | undefined;
  /** What the 200 carries: a right answer, one that cannot be used, or nothing. */
  sdp: 'good' | 'bad' | 'none';
  /** Direction of the first description: `sendonly` is an announcement, `inactive` a call that begins on hold. */
  first: Direction;
  /** Answers have payload numbers of their own; see Renumbering. */
  renumber: Renumbering | null;
  /** 183 with SDP, and audio, instead of 180. */
  early: boolean;
  /** Two 200s with different To tags, as from two phones behind a forking proxy. */
  fork: boolean;
  /** Answers nothing. */
  vanish: boolean;
  /** Hangs up so long after the answer. */
  hangUpMs: number | undefined;
  /** Sends digits it hears back. */
  digits: boolean;
  /** Asks the caller for credentials. */
  challenge: PeerChallenge | undefined;
}

export interface PeerChallenge { status: 401 | 407; algorithms: DigestAlgorithm[]; realm: string; username: string; password: string }

export const ECHO: Readonly<PeerBehaviour> = {
  source: 'echo', slowMs: 0, ringMs: 0, status: undefined, redirect: undefined, sdp: 'good', first: 'sendrecv', renumber: null, early: false, fork: false, vanish: false,
  hangUpMs: undefined, digits: true, challenge: undefined,
};

const DIRECTIONS: readonly Direction[] = ['sendrecv', 'sendonly', 'recvonly', 'inactive'];

const STATUS_WORDS: Readonly<Record<string, number>> = { busy: 486, decline: 603, unavailable: 480, timeout: 408, notfound: 404, error: 500, overload: 503, forbidden: 403 };

/** One line for each word that `parseBehaviour` knows. */
export const BEHAVIOUR_HELP = [
  'echo | tone | silence | mute      what the caller hears (mute sends no packet)',
  `${Object.keys(STATUS_WORDS).join(' | ')}, status=N   refuse`,
  'ring                              ring for ever',
  'delay=SECONDS                     ring so long, then go on',
  'slow=SECONDS                      no response at all for so long',
  'first=DIRECTION                   the first description is sendonly, recvonly or inactive',
  'renumber | renumber=own           answers have other payload numbers than offers; sends under those offered, or its own',
  'early                             183 with audio instead of 180',
  'redirect=URI                      302 with this Contact',
  'badsdp | nosdp                    answer 200 with SDP nobody can use, or with none',
  'fork                              two 200s with different To tags',
  'vanish                            answer nothing',
  'hangup=SECONDS                    hang up so long after the answer',
] as const;

/** Reads words joined by commas, e.g. `tone,delay=2,hangup=5`. Throws an Error that names the first unknown word. */
export function parseBehaviour(text: string): PeerBehaviour {
  const behaviour: PeerBehaviour = { ...ECHO };
  for (const part of text.split(',')) {
    const eq = part.indexOf('=');
    const word = (eq < 0 ? part : part.slice(0, eq)).trim();
    const value = eq < 0 ? '' : part.slice(eq + 1).trim();
    if (!apply(behaviour, word, value)) throw new Error(`unknown answer: ${part.trim()}`);
  }
  return behaviour;
}

function apply(behaviour: PeerBehaviour, word: string, value: string): boolean {
  const seconds = Number(value) * 1000;
  const timed = value !== '' && seconds >= 0;
  switch (word) {
    case 'echo': case 'tone': case 'silence': behaviour.source = word; return true;
    case 'mute': behaviour.source = 'none'; return true;
    case 'ring': behaviour.ringMs = Infinity; return true;
    case 'delay': behaviour.ringMs = seconds; return timed;
    case 'slow': behaviour.slowMs = seconds; return timed;
    case 'hangup': behaviour.hangUpMs = seconds; return timed;
    case 'early': case 'fork': case 'vanish': behaviour[word] = true; return true;
    case 'badsdp': behaviour.sdp = 'bad'; return true;
    case 'nosdp': behaviour.sdp = 'none'; return true;
    case 'first':
      behaviour.first = DIRECTIONS.find((direction) => direction === value) ?? 'sendrecv';
      return behaviour.first === value;
    case 'renumber':
      behaviour.renumber = value === 'own' ? 'own' : 'offered';
      return value === '' || value === 'own';
    case 'redirect':
      behaviour.status = 302;
      behaviour.redirect = value;
      return value !== '';
    case 'status':
      behaviour.status = Number(value);
      return behaviour.status >= 300 && behaviour.status < 700;
    default:
      behaviour.status = STATUS_WORDS[word];
      return behaviour.status !== undefined;
  }
}
