import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { engines, missing } from '../../helpers/engines.js';
import { ask } from '../../helpers/freeswitch.js';
import { freePort, programPorts } from '../../helpers/ports.js';
import { blocksOf, pageText, putHere, withBlocks, type Block } from './docs.js';
import type { RecipeStage } from './stage.js';

/** The vanilla configuration (conf/vanilla of its source, /etc/freeswitch of its packages). */
const vanilla = process.env['WAB_FREESWITCH_CONF'] ?? '/etc/freeswitch';

/** A reason to skip when there is no FreeSWITCH, or not its vanilla configuration; else false. */
export function noFreeswitch(): string | false {
  const reason = missing('freeswitch');
  if (reason !== false) return reason;
  return statSync(join(vanilla, 'dialplan/public.xml'), { throwIfNoEntry: false }) === undefined ? `no vanilla configuration at ${vanilla}; WAB_FREESWITCH_CONF may name it` : false;
}

export const freeswitchHost = '127.0.0.8';
/** The passwords of the page, the one of the vanilla phones too: with that of the package each call would begin with a pause of ten seconds. */
export const freeswitchPasswords = { FREESWITCH_IN: 'n0t-in', FREESWITCH_OUT: 'n0t-out', phones: 'n0t-1234' } as const;

export interface RecipeFreeswitch {
  /** host:port of the internal profile, 127.0.0.8. */
  readonly at: string;
  api(command: string): Promise<string>;
  log(): Promise<string>;
  /** Ends it without a word to anybody, as a power cut does. */
  kill(): Promise<void>;
  /** Starts it again with the same configuration. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** The recipe of docs/peers/freeswitch.md in the vanilla configuration, as it stands but for addresses, ports and passwords. `change` alters a block, for a variant that the page names. */
export async function startRecipeFreeswitch(stage: RecipeStage, port: number, change: (block: Block) => Block = (block) => block): Promise<RecipeFreeswitch> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-freeswitch-recipe-'));
  for (const name of ['log', 'db', 'run']) await mkdir(join(dir, name));
  const conf = join(dir, 'conf');
  await cp(vanilla, conf, { recursive: true });
  const [esl, external, media] = [await freePort(), await freePort(), await programPorts()];
  await edit(join(conf, 'vars.xml'), [
    [/cmd="(?:stun-)?set" data="(external_(?:rtp|sip)_ip)=[^"]*"/g, `cmd="set" data="$1=${freeswitchHost}"`],
    [/<X-PRE-PROCESS cmd="set" data="local_ip_v4=[^"]*"\/>/g, ''],
    [/<include>/, `<include>\n<X-PRE-PROCESS cmd="set" data="local_ip_v4=${freeswitchHost}"/>\n`],
    [/data="default_password=[^"]*"/, `data="default_password=${freeswitchPasswords.phones}"`],
    [/data="internal_sip_port=\d+"/, `data="internal_sip_port=${port}"`], [/data="external_sip_port=\d+"/, `data="external_sip_port=${external}"`],
    // One X-PRE-PROCESS a line is read. Its music is a package of its own.
    [/data="hold_music=[^"]*"/, 'data="hold_music=tone_stream://%(1000,0,350);loops=-1"'],
  ]);
  await edit(join(conf, 'autoload_configs/switch.conf.xml'), [[/<settings>/, `<settings><param name="rtp-start-port" value="${media.first}"/><param name="rtp-end-port" value="${media.last}"/>`]]);
  await edit(join(conf, 'autoload_configs/event_socket.conf.xml'), [[/name="listen-ip" value="[^"]*"/, 'name="listen-ip" value="127.0.0.1"'], [/name="listen-port" value="\d+"/, `name="listen-port" value="${esl}"`]]);
  for (const name of ['sip_profiles/internal-ipv6.xml', 'sip_profiles/external-ipv6.xml']) await rm(join(conf, name), { force: true });

  const places = [...stage.places, ['${FREESWITCH_IN}', freeswitchPasswords.FREESWITCH_IN], ['${FREESWITCH_OUT}', freeswitchPasswords.FREESWITCH_OUT], ['call_timeout=30', 'call_timeout=4']] as const;
  const blocks = blocksOf(await pageText('docs/peers/freeswitch.md')).map(change).map((block) => ({ ...block, text: putHere(block.text, places) }));
  const present = new Map<string, string>();
  for (const { file, inside } of blocks) {
    // A file of the page's own must lie where the vanilla configuration looks for it.
    if (!(await stat(dirname(join(conf, file)))).isDirectory()) throw new Error(`vanilla has no folder for ${file}`);
    if (inside !== null) present.set(file, await readFile(join(conf, file), 'utf8'));
  }
  for (const [file, text] of withBlocks(present, blocks)) await writeFile(join(conf, file), text.trimStart());

  const program = engines.freeswitch;
  const modules = program.includes('/') ? ['-mod', join(dirname(dirname(program)), 'mod')] : [];
  const api = (command: string): Promise<string> => ask(esl, 'ClueCon', command);
  const log = (): Promise<string> => readFile(join(dir, 'log', 'freeswitch.log'), 'utf8');
  const run = () => spawn('setpriv', ['--pdeathsig', 'KILL', program, '-nonat', '-nort', '-nf', '-nc', '-conf', conf, '-log', join(dir, 'log'), '-db', join(dir, 'db'), '-run', join(dir, 'run'), ...modules], { stdio: 'ignore' });
  let child = run();
  const up = async (): Promise<void> => {
    const deadline = Date.now() + 60_000;
    while (!(await api('sofia status').catch(() => '')).match(/internal\s+profile.*RUNNING[\s\S]*external\s+profile.*RUNNING|external\s+profile.*RUNNING[\s\S]*internal\s+profile.*RUNNING/)) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`${program} did not start: ${(await log().catch(() => 'no log')).slice(-2000)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
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
    at: `${freeswitchHost}:${port}`, api, log, kill, close,
    async start() {
      child = run();
      await up();
    },
  };
}

async function edit(path: string, changes: readonly (readonly [RegExp, string])[]): Promise<void> {
  const text = await readFile(path, 'utf8');
  await writeFile(path, changes.reduce((so, [from, to]) => so.replace(from, to), text));
}
