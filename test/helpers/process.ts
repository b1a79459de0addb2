import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { runnable } from './runnable.js';

/** `wa-b2bua run -c FILE` as a process of its own. */
export interface ServiceProcess {
  /** host:port of the listener of a transport. */
  port(transport: string): number;
  /** Resolves when it has ended. */
  end(signal: 'SIGKILL' | 'SIGINT' | 'SIGTERM'): Promise<void>;
  /** What it wrote to its standard error and log. */
  output(): string;
}

/** Starts the command and waits for its ready line. */
export async function runProcess(configFile: string): Promise<ServiceProcess> {
  const main = fileURLToPath(new URL(runnable('../../lib/cli/main.ts'), import.meta.url));
  const loader = new URL('loader.js', import.meta.url).href;
  const child = spawn(process.execPath, [`--import=${loader}`, main, 'run', '-c', configFile], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  let output = '';
  child.stderr.on('data', (data: Buffer) => { output += data.toString(); });
  const listening = await new Promise<string[]>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('{"ready":true')) resolve((JSON.parse(line) as { listening: string[] }).listening);
      else output += `${line}\n`;
    });
    child.once('exit', (code) => reject(new Error(`the service stopped at once (${String(code)}): ${output}`)));
  });
  return {
    port: (transport) => Number(listening.find((l) => l.startsWith(`${transport}:`))?.split(':').at(-1)),
    output: () => output,
    async end(signal) {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await exited;
    },
  };
}
