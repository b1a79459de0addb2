import { unwatchFile, watchFile } from 'node:fs';
import type { Config } from '../config/types.js';

/** Password files are looked at so often, ms. */
const lookEvery = 2000;

/** Tells when a passwordFile has changed, as `provision apply` changes it. */
export class PasswordWatch {
  readonly #changed: () => void;
  #files: readonly string[] = [];

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Watches the files of this configuration, and no others. */
  follow({ numbers }: Pick<Config, 'numbers'>): void {
    for (const file of this.#files) unwatchFile(file, this.#changed);
    this.#files = Object.values(numbers).flatMap(({ passwordFile }) => passwordFile ?? []);
    for (const file of this.#files) watchFile(file, { interval: lookEvery, persistent: false }, this.#changed);
  }
}
