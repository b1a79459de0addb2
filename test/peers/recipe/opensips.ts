import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../helpers/ports.js';
import { run, type Program } from '../programs.js';
import { putHere, type Places } from './docs.js';

/** What is started as `opensips`: WAB_OPENSIPS may name another; WAB_OPENSIPS_MODULES where its modules are, when not where Debian puts them. */
const program = process.env['WAB_OPENSIPS'] ?? 'opensips';
const modules = process.env['WAB_OPENSIPS_MODULES'] ?? '/usr/lib/x86_64-linux-gnu/opensips/modules/';

export function noOpensips(): string | false {
  return spawnSync(program, ['-V']).status === 0 ? false : 'opensips is not installed; WAB_OPENSIPS may name it';
}

/** OpenSIPS with this configuration, from a folder below `dir`. Its socket of UDP tells that it is up: where it has none, it gets one on `host`; else `port` is its. */
export async function startOpensips(text: string, { dir, at: { host, port: given }, places }: { readonly dir: string; readonly at: { readonly host: string; readonly port?: number }; readonly places: Places }): Promise<Program> {
  const [port, own] = [given ?? await freePort(), join(dir, 'opensips')];
  await mkdir(own, { recursive: true });
  const file = join(own, 'opensips.cfg');
  const written = given !== undefined ? text : text.replace('udp_workers=1', `udp_workers=1\nsocket=udp:${host}:${port}`).replace('loadmodule "proto_tls.so"', 'loadmodule "proto_udp.so"\nloadmodule "proto_tls.so"');
  await writeFile(file, putHere(written, [['/usr/lib/x86_64-linux-gnu/opensips/modules/', modules], ...places]));
  return run(program, ['-F', '-f', file, '-w', own, '-m', '64', '-M', '8'], port, async () => undefined, 20_000);
}
