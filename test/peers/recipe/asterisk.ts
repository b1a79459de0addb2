import { freePort, programPorts } from '../../helpers/ports.js';
import { packagedFiles, runAsterisk, type AsteriskProcess } from '../asteriskProcess.js';
import { blocksOf, pageText, putHere, withBlocks } from './docs.js';
import type { RecipeStage } from './stage.js';

export interface RecipeAsterisk extends AsteriskProcess {
  /** host:port, 127.0.0.7. */
  readonly at: string;
}

export const asteriskHost = '127.0.0.7';
export const asteriskPassword = 'n0t-asterisk';

/** Modules of a package that open sockets of their own, on ports that are everybody's. */
const strangers = ['chan_iax2', 'chan_unistim', 'chan_skinny', 'chan_mgcp', 'chan_ooh323', 'pbx_dundi', 'res_snmp', 'chan_motif', 'res_xmpp', 'chan_mobile', 'chan_websocket'];

/** Accounts of the phones that are there already; `context` is theirs in the recipe. */
function phone(user: string): string {
  return `
[${user}]
type = endpoint
transport = transport-udp
context = internal
disallow = all
allow = ulaw
auth = ${user}
aors = ${user}
direct_media = no
callerid = "Phone ${user}" <${user}>
[${user}]
type = auth
auth_type = userpass
username = ${user}
password = pw-${user}
[${user}]
type = aor
max_contacts = 1
`;
}

export function asteriskPort(): Promise<number> {
  return freePort();
}

/** The recipe of docs/peers/asterisk.md in the configuration of the package, as it stands but for addresses, ports and the password; beside it the phones. */
export async function startRecipeAsterisk(stage: RecipeStage, port: number, phones: readonly string[], more: { pjsip?: string; extensions?: string } = {}): Promise<RecipeAsterisk> {
  const at = `${asteriskHost}:${port}`;
  const places = [...stage.places, ['0.0.0.0:5060', at], ['${ASTERISK_PASSWORD}', asteriskPassword], ['},30)', '},4)']] as const;
  const media = await programPorts();
  const recipe = blocksOf(await pageText('docs/peers/asterisk.md'));
  // transport-udp is bound to all addresses in the page; here the service has the same ports at its own.
  const blocks = recipe.map((block) => ({ ...block, text: putHere(block.text.replace('0.0.0.0:5060', at), places) }));
  const files = withBlocks(await packagedFiles() ?? new Map<string, string>([['modules.conf', '[modules]\nautoload = yes\n']]), [
    ...blocks,
    { file: 'pjsip.conf', inside: null, text: `${phones.map(phone).join('')}${more.pjsip ?? ''}` },
    { file: 'extensions.conf', inside: null, text: more.extensions ?? '' },
    { file: 'modules.conf', inside: null, text: strangers.map((name) => `noload = ${name}.so\n`).join('') },
  ]);
  files.set('rtp.conf', `[general]\nrtpstart = ${media.first}\nrtpend = ${media.last}\n`);
  const asterisk = await runAsterisk(() => files);
  return { ...asterisk, at };
}
