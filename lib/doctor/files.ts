import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Config } from '../config/types.js';
import type { Finding, Findings } from './finding.js';
import { fail, ok, reasonOf } from './finding.js';

/** Files that calls read, and directories that records are written to. */
export async function examineFiles({ media, routes, peers, cdr, policy, state }: Config): Promise<Findings> {
  const sounds = [['media.music', media.music] as const, ...Object.entries(peers).map(([name, { music }]) => [`music of peer ${name}`, music] as const), ...routes.flatMap((route) => [[`downMessage of route ${route.name}`, route.downMessage] as const, [`music of route ${route.name}`, route.music] as const])];
  const records = [['cdr.file', cdr.file], ['policy.audit', policy.audit], ['state', /^file:(.+)$/.exec(state)?.[1] ?? null]] as const;
  return (await Promise.all([
    ...sounds.map(([key, file]) => judge(key, file, constants.R_OK, (path) => path, 'the user of the service must be able to read it')),
    ...records.map(([key, file]) => judge(key, file, constants.W_OK, dirname, 'the user of the service must be able to write there')),
  ])).flat();
}

async function judge(key: string, file: string | null, mode: number, place: (file: string) => string, todo: string): Promise<Finding[]> {
  if (file === null || file === 'none') return [];
  try {
    await access(place(file), mode);
    return [ok('file', `${key}: ${file}`)];
  } catch (error) {
    return [fail('file', `${key}: ${place(file)}: ${reasonOf(error)}`, todo)];
  }
}
