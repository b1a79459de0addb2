import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { reachable } from './destinations.js';
import { fine, missing, poor, reasonOf, type Judgement } from './judgement.js';
import type { Config } from './types.js';

type WithFiles = Pick<Config, 'media' | 'routes' | 'peers' | 'menus' | 'queues' | 'voicemail' | 'cdr' | 'policy' | 'state' | 'webhooks' | 'recording'>;

/** The path in `state: file:PATH`; null when counts are kept in memory. */
export function stateFile(state: string): string | null {
  return /^file:(.+)$/.exec(state)?.[1] ?? null;
}

/** Files that calls read: sounds. */
export async function judgeSounds(config: WithFiles): Promise<readonly Judgement[]> {
  const { media, routes, peers } = config;
  const sounds = [
    ['media.music', 'media.music', media.music] as const, ...Object.entries(peers).map(([name, { music }]) => [`peers.${name}.music`, `music of peer ${name}`, music] as const),
    ...Object.entries(peers).map(([name, { record }]) => [`peers.${name}.record.announce`, `record.announce of peer ${name}`, record?.announce ?? null] as const),
    ...routes.map(({ name, record }, i) => [`routes[${i}].record.announce`, `record.announce of route ${name}`, record?.announce ?? null] as const),
    ...routes.flatMap(({ name, downMessage, music }, i) => [[`routes[${i}].downMessage`, `downMessage of route ${name}`, downMessage] as const, [`routes[${i}].music`, `music of route ${name}`, music] as const]),
    ...prompts(config),
  ];
  const judged = sounds.flatMap(([key, label, file]) => (file === null || file === 'none' ? [] : [{ label, judgement: judge(key, file, constants.R_OK, 'the user of the service must be able to read it') }]));
  return Promise.all(judged.map(async ({ label, judgement }) => {
    const found = await judgement;
    return { ...found, text: `${label}: ${found.text}` };
  }));
}

type Sound = readonly [key: string, label: string, file: string | null];

/** What users hear of menus, queues, boxes and announcements. */
function prompts(config: WithFiles): readonly Sound[] {
  const { menus, queues, voicemail } = config;
  const played = config.routes.flatMap((_, i) => reachable(config, i)).flatMap(({ destination, path }): Sound[] => (destination.kind === 'play' ? [[`${path}.play`, `${path}.play`, destination.file]] : []));
  return [
    ...new Map(played.map((sound) => [sound[0], sound])).values(),
    ...Object.entries(menus).flatMap(([name, { prompt, wrong }]): Sound[] => [[`menus.${name}.prompt`, `prompt of menu ${name}`, prompt], [`menus.${name}.wrong`, `wrong of menu ${name}`, wrong]]),
    ...Object.entries(queues).flatMap(([name, { music, callBack, announce: { file, places } }]): Sound[] => [
      [`queues.${name}.music`, `music of queue ${name}`, music], [`queues.${name}.announce.file`, `announcement of queue ${name}`, file],
      [`queues.${name}.callBack.confirm`, `callBack.confirm of queue ${name}`, callBack?.confirm ?? null], [`queues.${name}.callBack.refused`, `callBack.refused of queue ${name}`, callBack?.refused ?? null],
      ...places.map((place, i): Sound => [`queues.${name}.announce.places[${i}]`, `place ${i + 1} of queue ${name}`, place]),
    ]),
    ...Object.entries(voicemail).map(([name, { greeting }]): Sound => [`voicemail.${name}.greeting`, `greeting of voicemail ${name}`, greeting]),
  ];
}

/** Password files that are yet to be written: the service does not start without. */
export function judgePasswords({ numbers }: Pick<Config, 'numbers'>): readonly Judgement[] {
  return Object.entries(numbers).flatMap(([number, { password, passwordFile }]) => (passwordFile === null ? []
    : [password === '' ? missing(`numbers.${number}.passwordFile`, `${passwordFile} is not there yet, or empty`, 'run wa-b2bua provision apply') : fine(`numbers.${number}.passwordFile`, passwordFile)]));
}

/** What voice agents' certificates are judged by, and what we show them. */
export async function judgeSocketFiles({ peers, routes }: WithFiles): Promise<readonly Judgement[]> {
  const sockets = [...Object.entries(peers).flatMap(([name, { tls, websocket }]) => (websocket === null ? [] : [{ at: `peers.${name}`, tls }])), ...routes.flatMap(({ tee }, index) => (tee === null ? [] : [{ at: `routes[${index}].tee`, tls: tee.tls }]))];
  const files = sockets.flatMap(({ at, tls }) => (['ca', 'clientCert', 'clientKey'] as const).flatMap((key) => {
    const file = tls[key];
    return file === null ? [] : [judge(`${at}.tls.${key}`, file, constants.R_OK, 'the user of the service must be able to read it')];
  }));
  return Promise.all(files);
}

/** Files that are written: they, or where they are to come to be. */
export async function judgeRecords({ cdr, policy, state, webhooks, recording, voicemail }: WithFiles): Promise<readonly Judgement[]> {
  const records = [['cdr.file', cdr.file], ['cdr.index', cdr.file === null ? null : cdr.index], ['policy.audit', policy.audit], ['state', stateFile(state.url)], ['webhooks.voicemail', webhooks?.voicemail ?? null],
    ...Object.entries(voicemail).map(([name, { directory }]) => [`voicemail.${name}.directory`, directory] as const)] as const;
  const recordings = recording === null ? [] : [judgeRecordings(recording)];
  return Promise.all([...records.flatMap(([key, file]) => (file === null ? [] : [judgeRecord(key, file)])), ...recordings]);
}

/** The folder of the recordings, which is made where it is not there; and the room on its disk. */
async function judgeRecordings({ directory, keepFree }: NonNullable<WithFiles['recording']>): Promise<Judgement> {
  const key = 'recording.directory';
  let path = directory;
  while (path !== dirname(path) && !await stat(path).then(() => true, () => false)) path = dirname(path);
  if (!(await stat(path)).isDirectory()) return missing(key, `${path}: ENOTDIR`, 'no call is recorded: name a folder');
  const found = await judge(key, path, constants.W_OK | constants.X_OK, 'no call is recorded: the user of the service must be able to write there', directory);
  if (found.level !== 'ok') return found;
  const { bavail, bsize } = await statfs(path);
  const free = Math.floor((bavail * bsize) / 1_048_576);
  // A gigabyte is a day of some ten calls at once in Ogg Opus.
  return free >= Math.max(1000, 2 * keepFree) ? found : poor(key, `${directory}: ${free} MB are free`, `with less than ${keepFree} MB (recording.keepFree) no call is recorded: make room`);
}

async function judgeRecord(key: string, file: string): Promise<Judgement> {
  const there = await stat(file).then(() => true, () => false);
  return judge(key, there ? file : dirname(file), constants.W_OK, 'the user of the service must be able to write there', file);
}

async function judge(key: string, path: string, mode: number, todo: string, shown = path): Promise<Judgement> {
  try {
    await access(path, mode);
    return fine(key, shown);
  } catch (error) {
    return missing(key, `${path}: ${reasonOf(error)}`, todo);
  }
}
