import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

export const types: Readonly<Record<string, string>> = { css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8', svg: 'image/svg+xml' };

export interface PageFile { readonly type: string; readonly body: string; readonly headers: Readonly<Record<string, string>> }

/** What the live page is made of: page/ beside this file. Read once, as it is. */
export class PageFiles {
  readonly #files: ReadonlyMap<string, string>;

  constructor() {
    const folder = new URL('./page/', import.meta.url);
    this.#files = new Map(readdirSync(folder).map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]));
  }

  /** The page itself: its scripts are known by a word that no other answer has, and nothing else that stands in it is run. */
  page(): PageFile {
    const nonce = randomBytes(16).toString('base64');
    const policy = [
      "default-src 'none'", `script-src 'nonce-${nonce}'`, "style-src 'self'", "img-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
      // Text cannot become elements or script, whatever the page does with it.
      "require-trusted-types-for 'script'", "trusted-types 'none'",
    ];
    const headers = { 'Content-Security-Policy': policy.join('; '), 'Cross-Origin-Opener-Policy': 'same-origin', 'Permissions-Policy': 'camera=(), microphone=(), geolocation=()' };
    return { type: 'text/html; charset=utf-8', body: (this.#files.get('index.html') ?? '').replaceAll('{{nonce}}', nonce), headers };
  }

  /** A file of it; null: there is none of this name. */
  file(name: string): PageFile | null {
    const body = this.#files.get(name);
    const type = types[name.split('.').at(-1) ?? ''];
    return body === undefined || type === undefined ? null : { type, body, headers: {} };
  }
}
