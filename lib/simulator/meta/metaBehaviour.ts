// How the stand-in of Meta meets a business-initiated call.
import type { SourceKind } from '../media/endpoint.js';
import { isRefusalName, REFUSALS } from './refusals.js';
import type { RefusalName } from './refusals.js';

/** Which Proxy-Authenticate headers the 407 carries, in order (META-SIP §4.2). */
export type ChallengeForm = 'sha256-md5' | 'md5-sha256' | 'sha256' | 'md5' | 'none';

export interface MetaBehaviour {
  challenge: ChallengeForm;
  qop: 'auth' | 'auth,auth-int' | 'none';
  /** The first right answer is told that its nonce went stale. */
  stale: boolean;
  /** Commas inside quoted values of the challenge. */
  commas: boolean;
  /** Time between the credentials and 100 Trying, and from there to 180; no 180 when `rings` is false. */
  slowMs: number;
  rings: boolean;
  /** Time from 180 (or 100) to the final answer; Infinity rings for ever. */
  ringMs: number;
  refuse: RefusalName | undefined;
  source: SourceKind;
  hangUpMs: number | undefined;
  /** Meta's own payload types in the answer instead of the offer's. */
  ownPayloadTypes: boolean;
  /** Meta's DTLS role in the answer. */
  setup: 'active' | 'passive';
  /** Sends digits it hears back. */
  digits: boolean;
}

export const META_DEFAULT: Readonly<MetaBehaviour> = {
  challenge: 'sha256-md5', qop: 'auth', stale: false, commas: false, slowMs: 0, rings: true, ringMs: 200, refuse: undefined, source: 'tone', hangUpMs: undefined,
  ownPayloadTypes: false, setup: 'active', digits: false,
};

export const META_BEHAVIOUR_HELP = [
  'echo | tone | silence | mute       what the caller hears (mute sends no packet)',
  'challenge=FORM                     sha256-md5 (default), md5-sha256, sha256, md5, none',
  'auth-int | noqop                   qop="auth,auth-int", or no qop at all',
  'stale                              the first answer to the challenge is stale',
  'commas                             commas inside quoted values of the challenge',
  'ring=SECONDS | ring | noring       ring so long, for ever, or answer without 180',
  'slow=SECONDS                       so long before 100 Trying',
  'hangup=SECONDS                     hang up so long after the answer',
  'own                                Meta\'s own payload types in the answer',
  'active | passive                   Meta\'s DTLS role in the answer (default active)',
  `${Object.keys(REFUSALS).join(' | ')}`,
  '                                   refuse in Meta\'s words',
] as const;

/** Reads words joined by commas, e.g. `echo,challenge=md5,ring=2`. Throws an Error that names the first unknown word. */
export function parseMetaBehaviour(text: string): MetaBehaviour {
  const behaviour: MetaBehaviour = { ...META_DEFAULT };
  for (const part of text.split(',')) {
    const [word = '', value = ''] = part.trim().split('=');
    if (!apply(behaviour, word, value)) throw new Error(`unknown behaviour: ${part.trim()}`);
  }
  return behaviour;
}

const FORMS: readonly ChallengeForm[] = ['sha256-md5', 'md5-sha256', 'sha256', 'md5', 'none'];

function apply(b: MetaBehaviour, word: string, value: string): boolean {
  const ms = Number(value) * 1000;
  const timed = value !== '' && ms >= 0;
  switch (word) {
    case 'echo': case 'tone': case 'silence': b.source = word; return true;
    case 'mute': b.source = 'none'; return true;
    case 'challenge': {
      const form = FORMS.find((f) => f === value);
      if (form !== undefined) b.challenge = form;
      return form !== undefined;
    }
    case 'auth-int': b.qop = 'auth,auth-int'; return true;
    case 'noqop': b.qop = 'none'; return true;
    case 'stale': case 'commas': b[word] = true; return true;
    case 'ring': b.ringMs = value === '' ? Infinity : ms; return value === '' || timed;
    case 'noring': b.rings = false; return true;
    case 'slow': b.slowMs = ms; return timed;
    case 'hangup': b.hangUpMs = ms; return timed;
    case 'own': b.ownPayloadTypes = true; return true;
    case 'active': case 'passive': b.setup = word; return true;
    default:
      if (!isRefusalName(word)) return false;
      b.refuse = word;
      return true;
  }
}
