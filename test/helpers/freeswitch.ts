import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './ports.js';

/** A FreeSWITCH with the configuration of this repository, on free ports of loopback. */
export interface FreeswitchProcess {
  readonly esl: { host: string; port: number; secret: string };
  /** Its log so far, a line each: warnings and worse. */
  log(): Promise<string[]>;
  kill(): Promise<void>;
  /** Stops it where it is, as a machine without time for it does; thaw() lets it go on. */
  freeze(): void;
  thaw(): void;
  restart(): Promise<void>;
  /** Runs an API command on a connection of its own. */
  api(command: string): Promise<string>;
  close(): Promise<void>;
}

const configuration = new URL('../../freeswitch', import.meta.url).pathname;
const certificates = new URL('../../scripts/freeswitch-certificate', import.meta.url).pathname;

/** `ports`: first and last UDP port for media; `variables`: those of freeswitch/vars.xml beside them. */
export async function startFreeswitch(program: string, ports: readonly [number, number], variables: Readonly<Record<string, string>> = {}): Promise<FreeswitchProcess> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-freeswitch-'));
  for (const sub of ['log', 'db', 'run']) await mkdir(join(dir, sub));
  await promisify(execFile)(certificates, [join(dir, 'certs')]);
  const [esl, sip] = await Promise.all([freePort(), freePort()]);
  const secret = randomBytes(12).toString('hex');
  const log = async (): Promise<string[]> => (await readFile(join(dir, 'log', 'freeswitch.log'), 'utf8')).split('\n').filter((line) => line !== '');
  // Installed from source the modules lie beside bin/; packages know their own place.
  const modules = program.includes('/') ? ['-mod', join(dirname(dirname(program)), 'mod')] : [];
  let failure: string | null = null;
  const run = () => {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, '-nonat', '-nort', '-nf', '-nc', '-conf', configuration,
      '-log', join(dir, 'log'), '-db', join(dir, 'db'), '-run', join(dir, 'run'), '-certs', join(dir, 'certs'), ...modules], {
      stdio: 'ignore',
      env: {
        ...process.env, WAB_ESL_SECRET: secret, WAB_ESL_PORT: String(esl), WAB_SIP_PORT: String(sip),
        ...variables, WAB_RTP_FIRST: String(ports[0]), WAB_RTP_LAST: String(ports[1] & ~1),
      },
    });
    child.once('error', (error) => { failure = error.message; });
    // Tests that share one end without closing it; the kernel then ends it, when this process is gone.
    child.unref();
    return child;
  };
  let child = run();
  const api = (command: string): Promise<string> => ask(esl, secret, command);
  const up = async (): Promise<void> => {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const status = await api('sofia status profile wa-b2bua').catch(() => '');
      if (status.includes('URL')) return;
      if (failure !== null || child.exitCode !== null || Date.now() > deadline) throw new Error(`${program} did not start: ${failure ?? (await log().catch(() => ['no log'])).join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  const close = async (): Promise<void> => {
    await kill();
    await rm(dir, { recursive: true, force: true });
  };
  await up().catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return {
    esl: { host: '127.0.0.1', port: esl, secret }, log, kill, api, close,
    freeze: () => { child.kill('SIGSTOP'); },
    thaw: () => { child.kill('SIGCONT'); },
    async restart() {
      await kill();
      child = run();
      await up();
    },
  };
}

let shared: Promise<FreeswitchProcess> | null = null;

/** The one that all services of this test process share: it takes two seconds to start. */
export function sharedFreeswitch(program: string, ports: () => Promise<readonly [number, number]>): Promise<FreeswitchProcess> {
  shared ??= ports().then((range) => startFreeswitch(program, range));
  return shared;
}

/** Resolves when it holds no channel any more. @throws Error with those that are left after a while. */
export async function noChannels({ api }: FreeswitchProcess): Promise<void> {
  const deadline = Date.now() + 4000;
  for (;;) {
    const list = await api('show channels');
    if (/^0 total/m.test(list)) return;
    if (Date.now() > deadline) throw new Error(`channels are left in FreeSWITCH:\n${list}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** One command on the event socket, by hand: what the tests ask does not go through what they test. */
export function ask(port: number, secret: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1');
    let text = '';
    let asked = false;
    socket.setTimeout(5000, () => socket.destroy(new Error('FreeSWITCH does not answer')));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('FreeSWITCH closed the connection')));
    socket.on('data', (data) => {
      text += data.toString('utf8');
      if (!asked && text.includes('auth/request\n\n')) {
        asked = true;
        socket.write(`auth ${secret}\n\napi ${command}\n\n`);
      }
      const answer = /Content-Type: api\/response\nContent-Length: (\d+)\n\n([\s\S]*)$/.exec(text);
      if (answer !== null && Buffer.byteLength(answer[2]!) >= Number(answer[1])) {
        resolve(answer[2]!);
        socket.destroy();
      }
    });
  });
}
