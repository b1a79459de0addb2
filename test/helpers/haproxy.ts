import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A node behind the balancer: where it takes TLS, and where it says whether it is ready. */
export interface Behind { readonly name: string; readonly tls: string; readonly http: string }

/** Debian's HAProxy in front of nodes: TCP with TLS untouched, a look at /ready five times a second. */
export class Haproxy {
  #process: ReturnType<typeof spawn> | null = null;

  private constructor(private readonly file: string, private readonly port: number) {}

  static async start(dir: string, port: number, nodes: readonly Behind[]): Promise<Haproxy> {
    const file = join(dir, `haproxy-${port}.cfg`);
    await writeFile(file, `global
  maxconn 2000
defaults
  mode tcp
  timeout connect 2s
  timeout client 1h
  timeout server 1h
frontend sip
  bind 127.0.0.1:${port}
  default_backend nodes
backend nodes
  balance roundrobin
  option httpchk GET /ready
  http-check expect status 200
  option redispatch
  default-server inter 200ms fall 2 rise 1
${nodes.map(({ name, tls, http }) => `  server ${name} ${tls} check port ${http.split(':').at(-1)}\n`).join('')}`);
    const haproxy = new Haproxy(file, port);
    await haproxy.begin();
    return haproxy;
  }

  /** Starts it, again after `kill`; resolves when it takes connections. */
  async begin(): Promise<void> {
    this.#process = spawn('haproxy', ['-db', '-f', this.file], { stdio: 'ignore' });
    for (const until = Date.now() + 10_000; ;) {
      const socket = connect(this.port, '127.0.0.1');
      try {
        await once(socket, 'connect');
        socket.destroy();
        return;
      } catch (error) {
        if (Date.now() > until) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  /** Every connection through it breaks at once. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null) return;
    const gone = once(child, 'close');
    child.kill('SIGKILL');
    await gone;
  }
}
