import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { absent, run } from '../programs.js';
import { blocksOf, pageText, putHere } from './docs.js';
import type { RecipeStage } from './stage.js';

export const kamailioHost = '127.0.0.9';

export interface RecipeKamailio {
  /** host:port, 127.0.0.9. */
  readonly at: string;
  /** What it has printed. */
  output(): string;
  /** Ends it without a word to anybody. */
  kill(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

export function noKamailio(): string | false {
  return absent('kamailio');
}

/** A file of docs/peers/kamailio.md. */
export async function kamailioPage(file: string): Promise<string> {
  return blocksOf(await pageText('docs/peers/kamailio.md')).filter((block) => block.file === file).map(({ text }) => text).join('\n');
}

/** Kamailio by mutual TLS: its port, and the folder of the certificates. */
export interface KamailioTls { readonly port: number; readonly certificates: string }

/** The recipe of docs/peers/kamailio.md, as it stands but for addresses, ports and passwords; beside its two phones those of `more`. */
export async function startRecipeKamailio(stage: RecipeStage, port: number, more: readonly string[] = [], tls: KamailioTls | null = null): Promise<RecipeKamailio> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-kamailio-'));
  const file = join(dir, 'kamailio.cfg');
  const others = more.map((user) => `  $sht(phones=>${user}) = "pw-${user}";\n`).join('');
  const text = putHere(await kamailioPage('kamailio.cfg'), [
    ...stage.places, ['10.0.0.9:5061', `${kamailioHost}:${tls?.port ?? 0}`], ['/etc/kamailio/', `${dir}/`],
    // On loopback the system would have it connect from Meta's address.
    ['enable_tls=yes', `enable_tls=yes\ntcp_source_ipv4=${kamailioHost}`], ['10.0.0.9:5060', `${kamailioHost}:${port}`], ['${PHONE_6001}', 'pw-6001'], ['${PHONE_6002}', 'pw-6002'], ['"fr_inv_timer", 30000', '"fr_inv_timer", 4000'],
    ['"fr_timer", 5000', '"fr_timer", 2000'], ['  $sht(phones=>6002)', `${others}  $sht(phones=>6002)`],
  ]);
  await writeFile(file, text);
  if (tls !== null) await writeFile(join(dir, 'tls.cfg'), putHere(await kamailioPage('tls.cfg'), [['/etc/sip-ca', tls.certificates]]));
  const secure = tls === null ? [] : ['-A', 'WITH_TLS'];
  // In the foreground (-DD), and with what it makes in a directory of ours. Its processes end with the first one's SIGTERM only, so that is waited for.
  const begin = () => run('kamailio', ['-DD', '-E', '-f', file, '-Y', dir, '-m', '32', '-M', '4', ...secure], port, async () => undefined, 20_000);
  let program = await begin();
  const kill = (): Promise<void> => program.close();
  return {
    at: `${kamailioHost}:${port}`,
    output: () => program.output(),
    kill,
    async start() { program = await begin(); },
    async close() {
      await kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
