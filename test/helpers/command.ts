import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { nodeOptions, runnable } from './runnable.js';

/** `wa-b2bua ARGS` as a process of its own, straight from the sources. */
export class Command {
  readonly child: ChildProcessWithoutNullStreams;
  /** Lines of standard output and of standard error so far. */
  readonly out: string[] = [];
  readonly err: string[] = [];
  /** Exit status; null when a signal ended it. */
  readonly exit: Promise<number | null>;
  readonly #news = new Set<() => void>();
  #over = false;

  constructor(...args: string[]) {
    this.child = spawn(process.execPath, [...nodeOptions, runnable('lib/cli/main.ts'), ...args], { stdio: 'pipe' });
    for (const [stream, lines] of [[this.child.stdout, this.out], [this.child.stderr, this.err]] as const) {
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line);
        for (const tell of this.#news) tell();
      });
    }
    this.exit = once(this.child, 'close').then(([code]) => {
      this.#over = true;
      for (const tell of this.#news) tell();
      return code as number | null;
    });
  }

  /** The first line of standard output that matches. Rejects when the process ends without one. */
  async line(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.out.find((line) => pattern.test(line));
      if (found !== undefined) return found;
      if (this.#over) throw new Error(`no line ${String(pattern)} in:\n${[...this.out, ...this.err].join('\n')}`);
      await new Promise<void>((resolve) => {
        const tell = (): void => { this.#news.delete(tell); resolve(); };
        this.#news.add(tell);
      });
    }
  }

  /** Ends it if it still runs, and waits. */
  async stop(): Promise<void> {
    if (!this.#over) this.child.kill('SIGKILL');
    await this.exit;
  }
}
