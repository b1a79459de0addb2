import type { StopOn } from '../../config/types.js';
import { parseNameAddr, splitHeaderValues } from '../../sip/uri.js';
import { ended, type Termination } from '../termination.js';

/** What became of offering a call to one target, however many INVITEs that took. `W`: what whoever took it brought. */
export type Attempt<W> = { readonly won: true; readonly result: W } | Lost;

export interface Lost {
  readonly won: false;
  readonly termination: Termination;
  /** Whether the next target may be tried. */
  readonly goOn: boolean;
  /** It was not tried, as its peer is out: to be tried when nothing else is left. */
  readonly passedOver?: true;
}

export function lost(termination: Termination, goOn: boolean): Lost {
  return { won: false, termination, goOn };
}

/** The attempt that won, as soon as one has; else, when all have ended, the most telling. */
export function firstWon<W>(attempts: readonly Promise<Attempt<W>>[]): Promise<Attempt<W>> {
  return new Promise((resolve, reject) => {
    for (const attempt of attempts) attempt.then((ended) => { if (ended.won) resolve(ended); }, reject);
    Promise.all(attempts).then((all) => {
      const failures = all.flatMap((ended) => (ended.won ? [] : [ended]));
      resolve(lost(best(failures.map(({ termination }) => termination)) ?? ended.noTarget(), failures.every(({ goOn }) => goOn)));
    }, reject);
  });
}

/** Whether the next target may be tried: `stopOn` are a person's answers that stand (`routes.*.stopOn`); everything else says something of the path only. */
export function maySeekFurther({ by, reason }: Termination, stopOn: readonly StopOn[]): boolean {
  return by !== 'peer' || !stopOn.some((stop) => stop === reason);
}

/** Of several refusals the most telling (RFC 3261 §16.7 step 6, a person's answer before a machine's). */
export function best(failures: readonly Termination[]): Termination | undefined {
  const rank = (t: Termination): number => {
    const order = ['declined', 'busy', 'noAnswer', 'refused', 'badSdp', 'unreachable'];
    const at = t.by === 'peer' ? order.indexOf(t.reason) : -1;
    if (at !== -1) return at;
    // A peer that was passed over says less than one that was tried.
    return t.reason === 'nobodyThere' ? order.length + 1 : order.length;
  };
  return [...failures].sort((a, b) => rank(a) - rank(b))[0];
}

/** Where a redirection points: the URIs of its Contact, the most wanted first (RFC 3261 §8.1.3.4, §20.10: q from 0 to 1, 1 without). */
export function redirectedTo(contact: string): string[] {
  const wanted = splitHeaderValues(contact).map((value) => {
    const parsed = parseNameAddr(value);
    const q = Number(parsed?.params.find(({ name }) => name === 'q')?.value ?? 1);
    return { uri: parsed?.uriText ?? value, q: Number.isNaN(q) ? 1 : q };
  });
  return wanted.sort((a, b) => b.q - a.q).map(({ uri }) => uri);
}
