import { createHmac, timingSafeEqual } from 'node:crypto';

const name = 'wab_page';

/**
 * What a browser keeps in place of a token: it reads the pages for as long as the token may, also after a restart, and is good for nothing else;
 * the token cannot be found from it.
 */
function valueOf(token: string): string {
  return createHmac('sha256', token).update('wa-b2bua live page').digest('base64url');
}

/** Set-Cookie (RFC 6265 §4.1) for this token; null: takes it away. `secure`: the browser came by TLS. No other site sends it along, and no script sees it. */
export function setCookie(token: string | null, secure: boolean): string {
  return `${name}=${token === null ? '; Max-Age=0' : valueOf(token)}; Path=/; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`;
}

/** Those of the tokens for which a Cookie header has the value. All are compared, each in constant time. */
export function matchingCookie<T extends { readonly token: string }>(tokens: readonly T[], header: string): readonly T[] {
  const shown = header.split(';').map((pair) => pair.trim()).filter((pair) => pair.startsWith(`${name}=`)).map((pair) => Buffer.from(pair.slice(name.length + 1)));
  return tokens.filter(({ token }) => {
    const right = Buffer.from(valueOf(token));
    return shown.filter((one) => one.length === right.length && timingSafeEqual(one, right)).length > 0;
  });
}
