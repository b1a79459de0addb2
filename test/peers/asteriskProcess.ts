import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { absent } from './programs.js';

/**
 * What is started as `asterisk`: WAB_ASTERISK may name another program, or a script that runs it in a root of its own, such as
 * `exec unshare -m sh -c 'mount --bind /tmp /ROOT/tmp && exec chroot /ROOT asterisk "$@"' asterisk "$@"` (it must see our /tmp).
 * WAB_ASTERISK_CONF: the directory of the package's own configuration, when it is not /etc/asterisk.
 */
const program = process.env['WAB_ASTERISK'] ?? 'asterisk';
const packaged = process.env['WAB_ASTERISK_CONF'] ?? '/etc/asterisk';

/** A reason to skip when there is no Asterisk, else false. */
export function noAsterisk(): string | false {
  const reason = absent(program);
  return reason === false ? false : `${reason}; WAB_ASTERISK may name it`;
}

export interface AsteriskProcess {
  /** What its command line says to this. */
  command(text: string): Promise<string>;
  /** Asks again and again until the answer passes. @throws when it does not within 15 s */
  until(text: string, test: (said: string) => boolean): Promise<void>;
  /** What it has logged: notices and worse, and the dialplan as it runs. */
  log(): Promise<string>;
  /** Ends it without a word to anybody, as a power cut does. */
  kill(): Promise<void>;
  /** Starts it again with the same configuration. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** The configuration of the package, by file name; null where it is not installed as one. */
export async function packagedFiles(): Promise<Map<string, string> | null> {
  const names = await readdir(packaged).catch(() => null);
  if (names === null) return null;
  const files = new Map<string, string>();
  for (const name of names) {
    const path = join(packaged, name);
    if ((await stat(path)).isFile()) files.set(name, await readFile(path, 'utf8'));
  }
  return files;
}

/** Starts Asterisk with these files of /etc/asterisk; what it writes goes to a directory of its own. `filesIn` is given that directory. */
export async function runAsterisk(filesIn: (dir: string) => ReadonlyMap<string, string>): Promise<AsteriskProcess> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-asterisk-'));
  const config = join(dir, 'asterisk.conf');
  const files = new Map(filesIn(dir));
  files.set('asterisk.conf', `[directories]
${['astdbdir', 'astspooldir', 'astrundir', 'astlogdir'].map((name) => `${name} => ${dir}`).join('\n')}
astetcdir => ${dir}
`);
  files.set('logger.conf', '[logfiles]\nfull = notice,warning,error,verbose(3)\n');
  for (const [name, text] of files) await writeFile(join(dir, name), text);

  const run = () => spawn(program, ['-C', config, '-f', '-n'], { stdio: 'ignore' });
  let child = run();
  const command = async (text: string): Promise<string> => {
    const shell = spawn(program, ['-C', config, '-r', '-x', text], { stdio: ['ignore', 'pipe', 'ignore'] });
    let said = '';
    shell.stdout.on('data', (data: Buffer) => { said += data.toString(); });
    await once(shell, 'close');
    return said;
  };
  const booted = async (): Promise<void> => {
    for (let tries = 0; !(await command('core waitfullybooted')).includes('fully booted'); tries += 1) {
      if (tries === 200 || child.exitCode !== null) {
        child.kill('SIGKILL');
        throw new Error('asterisk did not start');
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  await booted();
  return {
    command,
    async until(text, test) {
      const deadline = Date.now() + 15_000;
      for (let said = await command(text); !test(said); said = await command(text)) {
        if (Date.now() > deadline) throw new Error(`asterisk, ${text}: ${said}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    log: () => readFile(join(dir, 'full'), 'utf8'),
    async kill() {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
    async start() {
      child = run();
      await booted();
    },
    async close() {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit');
        await command('core stop now');
        const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
        await exited;
        clearTimeout(timer);
      }
      await rm(dir, { recursive: true, force: true });
    },
  };
}
