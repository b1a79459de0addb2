/** A part of a path that is a word, as "cdr", "wa-events" or "v2", and no key. */
const word = /^(?:[A-Za-z]{1,20}(?:[-_.][A-Za-z]{1,20}){0,3}|v\d{1,2})$/;

/** A URL without what may be a secret in it, for a log or a metric: user, query, and what in its path is no word (chat programs and the like know who posts by the path). */
export function shownUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname.split('/').map((part) => (part === '' || word.test(part) ? part : '…')).join('/');
}
