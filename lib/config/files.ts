import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fine, missing, reasonOf, type Judgement } from './judgement.js';
import type { Config } from './types.js';

type WithFiles = Pick<Config, 'media' | 'routes' | 'peers' | 'cdr' | 'policy' | 'state'>;

/** The path in `state: file:PATH`; null when counts are kept in memory. */
export function stateFile(state: string): string | null {
  return /^file:(.+)$/.exec(state)?.[1] ?? null;
}

/** Files that calls read: sounds. */
export async function judgeSounds({ media, routes, peers }: WithFiles): Promise<readonly Judgement[]> {
  const sounds = [
    ['media.music', 'media.music', media.music] as const, ...Object.entries(peers).map(([name, { music }]) => [`peers.${name}.music`, `music of peer ${name}`, music] as const),
    ...routes.flatMap(({ name, downMessage, music }, i) => [[`routes[${i}].downMessage`, `downMessage of route ${name}`, downMessage] as const, [`routes[${i}].music`, `music of route ${name}`, music] as const]),
  ];
  const judged = sounds.flatMap(([key, label, file]) => (file === null || file === 'none' ? [] : [{ label, judgement: judge(key, file, constants.R_OK, 'the user of the service must be able to read it') }]));
  return Promise.all(judged.map(async ({ label, judgement }) => {
    const found = await judgement;
    return { ...found, text: `${label}: ${found.text}` };
  }));
}

/** Files that are written: they, or where they are to come to be. */
export async function judgeRecords({ cdr, policy, state }: WithFiles): Promise<readonly Judgement[]> {
  const records = [['cdr.file', cdr.file], ['policy.audit', policy.audit], ['state', stateFile(state)]] as const;
  return Promise.all(records.flatMap(([key, file]) => (file === null ? [] : [judgeRecord(key, file)])));
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
