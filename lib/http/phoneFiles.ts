import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { browserScript } from './commonJs.js';
import { types, type PageFile } from './pageFiles.js';

/** What the softphone page is told of the service. */
export interface PhonePlace {
  /** Where it registers: wss://HOST:PORT, or ws://. */
  readonly server: string;
  /** Host part of its users. */
  readonly domain: string;
}

/** The softphone: phone/ beside this file, and JsSIP as npm has installed it. Read once, as they are. */
export class PhoneFiles {
  readonly #files: ReadonlyMap<string, string>;
  readonly #place: (host: string) => PhonePlace;

  /** `place` is asked with the host by which the page was asked for. @throws where JsSIP is not installed */
  constructor(place: (host: string) => PhonePlace) {
    const folder = new URL('./phone/', import.meta.url);
    this.#files = new Map([...readdirSync(folder).map((name): [string, string] => [name, readFileSync(new URL(name, folder), 'utf8')]), ['jssip.js', browserScript('jssip', 'JsSIP')]]);
    this.#place = place;
  }

  /** The page itself. It may use the microphone and connect to its server; the rest of its policy is that of the live page. */
  page(host: string): PageFile {
    const nonce = randomBytes(16).toString('base64');
    const { server, domain } = this.#place(host);
    const policy = [
      "default-src 'none'", `script-src 'nonce-${nonce}'`, "style-src 'self'", "img-src 'self'", "media-src 'self'", `connect-src 'self' ${server}`, "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
      "require-trusted-types-for 'script'", "trusted-types 'none'",
    ];
    const headers = { 'Content-Security-Policy': policy.join('; '), 'Cross-Origin-Opener-Policy': 'same-origin', 'Permissions-Policy': 'camera=(), microphone=(self), geolocation=()' };
    const body = (this.#files.get('index.html') ?? '').replaceAll('{{nonce}}', nonce).replaceAll('{{server}}', server).replaceAll('{{domain}}', domain);
    return { type: 'text/html; charset=utf-8', body, headers };
  }

  /** A file of it; null: there is none of this name. */
  file(name: string): PageFile | null {
    const body = this.#files.get(name);
    const type = types[name.split('.').at(-1) ?? ''];
    return body === undefined || type === undefined ? null : { type, body, headers: {} };
  }
}
