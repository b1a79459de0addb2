import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ip = (...args: string[]): void => { execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] }); };
let count = 0;

/** A network of its own, with one way to us: a pair of interfaces that is ours alone. */
export class OtherNetwork {
  readonly #name: string;
  readonly #ours: string;
  readonly #net: string;
  #host = 2;

  /** Our address there. */
  readonly here: string;

  /** @throws where the system does not let us */
  constructor() {
    const id = `${process.pid % 100_000}${count += 1}`;
    this.#name = `wab${id}`;
    this.#ours = `wv${id}`;
    this.#net = `10.${200 + (process.pid % 50)}.${count}`;
    this.here = `${this.#net}.1`;
    ip('netns', 'add', this.#name);
    try {
      ip('link', 'add', this.#ours, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', this.#name);
      ip('addr', 'add', `${this.here}/24`, 'dev', this.#ours);
      ip('link', 'set', this.#ours, 'up');
      ip('-n', this.#name, 'link', 'set', 'lo', 'up');
      this.#join();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** A program that runs another one there. */
  wrapper(dir: string, program: string): string {
    const file = join(dir, `in-${this.#name}`);
    writeFileSync(file, `#!/bin/sh\nexec ip netns exec ${this.#name} ${program} "$@"\n`);
    chmodSync(file, 0o755);
    return file;
  }

  /** No packet gets through. */
  lose(): void {
    ip('link', 'set', this.#ours, 'down');
  }

  /** They do again, and who is there has another address. */
  findAnother(): void {
    ip('-n', this.#name, 'addr', 'flush', 'dev', 'eth0');
    this.#host += 1;
    ip('link', 'set', this.#ours, 'up');
    this.#join();
  }

  close(): void {
    try { ip('link', 'del', this.#ours); } catch { /* gone with its other end */ }
    try { ip('netns', 'del', this.#name); } catch { /* was not made */ }
  }

  #join(): void {
    ip('-n', this.#name, 'addr', 'add', `${this.#net}.${this.#host}/24`, 'dev', 'eth0');
    ip('-n', this.#name, 'link', 'set', 'eth0', 'up');
    ip('-n', this.#name, 'route', 'add', 'default', 'via', this.here);
  }
}

/** Why there can be none, or false. */
export function noOtherNetwork(): string | false {
  try {
    new OtherNetwork().close();
    return false;
  } catch {
    return 'no network namespace can be made here';
  }
}
