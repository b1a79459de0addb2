// Where the files of a demonstration are, and the configuration among them.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { WabError } from '../../errors.js';
import { wavHeader } from '../../media/recording/wav.js';
import { makeCertificates } from './certificates.js';

/** Numbers of the demonstration, by how they are keyed, as it is set on a number at Meta. */
export const numbers = { sdes: '+447700900001', dtls: '+447700900002' } as const;
export const password = 'demo-password';
export const domain = 'sbc.example.net';
export const metaHost = 'wa.meta.vc';

/** First line of the configuration: a folder that has it is one of ours. */
const MARK = '# Written by wa-b2bua quickstart: everything on loopback.';

export interface Place {
  /** Paths of what is in it. */
  readonly dir: string;
  readonly config: string;
  readonly records: string;
  /** Where `provision apply` writes Meta's password, and the state of the service: of a full demonstration alone. */
  readonly password: string;
  readonly state: string;
  /** A sound file for calls to play, in a folder of its own; what a shell takes to know the API by. Where the demonstration stays. */
  readonly sound: string;
  readonly apiEnv: string;
  readonly certificates: ReturnType<typeof makeCertificates>;
  /** Removes a temporary folder; one that was named stays. */
  remove(): void;
}

/** A new temporary folder, or the one that is named, which must be new, empty or of an earlier demonstration. @throws WabError */
export function openPlace(named: string | undefined): Place {
  const dir = named === undefined ? mkdtempSync(join(tmpdir(), 'wa-b2bua-quickstart-')) : resolve(named);
  const [config, records, password, state, apiEnv] = [join(dir, 'config.yaml'), join(dir, 'cdr.jsonl'), join(dir, 'sip-password'), join(dir, 'state'), join(dir, 'api.env')];
  try {
    mkdirSync(dir, { recursive: true });
    if (readdirSync(dir).length > 0 && !(existsSync(config) && readFileSync(config, 'utf8').startsWith(MARK))) {
      throw new WabError('FILE_UNWRITABLE', `${dir} has files that quickstart did not make: name a new or an empty folder, as --dir ${join(named ?? dir, 'demo')}`);
    }
    for (const file of [records, password, state, apiEnv]) rmSync(file, { force: true });
    const certificates = makeCertificates(join(dir, 'certs'), domain, metaHost);
    return { dir, config, records, password, state, apiEnv, sound: join(dir, 'sounds', 'offer.wav'), certificates, remove() { if (named === undefined) rmSync(dir, { recursive: true, force: true }); } };
  } catch (error) {
    throw error instanceof WabError ? error : new WabError('FILE_UNWRITABLE', (error as Error).message, { cause: error });
  }
}

/** Everything that Meta gives, of a full demonstration. */
export interface FullConfiguration {
  /** Where the Graph API is played. */
  readonly graph: string;
  readonly id: string;
  readonly waba: string;
  readonly app: string;
  readonly token: string;
  readonly appSecret: string;
  readonly verifyToken: string;
  readonly webhookPort: number;
}

/** Who may use the API of a demonstration that stays. */
export interface ApiKey { readonly port: number; readonly token: string }

/** What a demonstration has beyond its calls. */
interface Extras { readonly full?: FullConfiguration | null; readonly api?: ApiKey | null }

/** Writes the configuration for a PBX at `peer` (a SIP URI) and a stand-in of Meta at `metaPort`; gives its text. `full`: with the Graph API and webhooks, for one number; `api`: with the API. */
export function writeConfiguration({ config, records, certificates, ...place }: Place, peer: string, metaPort: number, { full = null, api = null }: Extras = {}): string {
  const routed = full === null ? numbers : { sdes: numbers.sdes };
  const text = `${MARK}
domain: ${domain}
sip:
  listen: ["tls:127.0.0.1:0", "udp:127.0.0.1:0"]   # any free ports
  tls: { cert: ${quoted(certificates.service.cert)}, key: ${quoted(certificates.service.key)} }
meta: { address: 127.0.0.1, port: ${metaPort}, ca: ${quoted(certificates.ca)}, sources: ["127.0.0.1"] }   # the stand-in instead of ${metaHost}
media: { engine: embedded, interface: 127.0.0.1, ports: 30000-30999 }
${full === null ? '' : graphText(full)}numbers:
${full === null ? Object.entries(numbers).map(([keying, number]) => `  "${number}": { password: ${password}, keying: ${keying} }`).join('\n') : numberText(full, place.password)}
peers:
  pbx: { uri: ${quoted(peer)}, sources: ["127.0.0.1"], pstn: none, users: ["6[0-9]{3}"], mayCall: ${JSON.stringify(Object.values(routed))} }
routes:
${Object.entries(routed).map(([keying, number]) => `  - { name: ${keying}, number: "${number}", to: [{ peer: pbx, user: "6001" }] }`).join('\n')}
http: { listen: "127.0.0.1:0" }
${api === null ? '' : apiText(api, full !== null, place.sound)}cdr: { file: ${quoted(records)} }
${full === null ? '' : `state: ${quoted(`file:${place.state}`)}\n`}log: { level: ${full === null ? 'warn' : 'info'} }
`;
  rmSync(config, { force: true });
  // It may have a token.
  writeFileSync(config, text, { mode: 0o600 });
  return text;
}

function apiText({ port, token }: ApiKey, isFull: boolean, sound: string): string {
  return `api: { listen: "127.0.0.1:${port}", sounds: ${quoted(dirname(sound))}, tokens: [{ name: quickstart, token: ${token}, scopes: [read, calls, users${isFull ? ', numbers' : ''}] }] }
`;
}

/** Writes the sound file. @throws WabError */
export function writeSound({ sound }: Place): void {
  written(() => {
    mkdirSync(dirname(sound), { recursive: true });
    writeFileSync(sound, chime());
  });
}

/** Writes what a shell takes: API, API_TOKEN, SERVICE (the process) and, where it is played, GRAPH. @throws WabError */
export function writeApiEnv({ apiEnv }: Place, { port, token }: ApiKey, service: number, graph: string | null): void {
  written(() => writeFileSync(apiEnv, `export API=http://127.0.0.1:${port} API_TOKEN=${token} SERVICE=${service}${graph === null ? '' : ` GRAPH=${graph}`}\n`, { mode: 0o600 }));
}

function written(write: () => void): void {
  try {
    write();
  } catch (error) {
    throw new WabError('FILE_UNWRITABLE', (error as Error).message, { cause: error });
  }
}

/** Two seconds of a tone that dies away, as WAV. */
function chime(): Buffer {
  const [rate, samples] = [8000, 16_000];
  const pcm = Buffer.alloc(2 * samples);
  for (let i = 0; i < samples; i++) pcm.writeInt16LE(Math.round(12_000 * Math.exp(-i / rate) * Math.sin((2 * Math.PI * 660 * i) / rate)), 2 * i);
  return Buffer.concat([wavHeader(1, rate, pcm.length), pcm]);
}

function graphText({ graph, waba, token, appSecret, verifyToken, webhookPort }: FullConfiguration): string {
  return `graph: { url: ${quoted(graph)}, token: ${token}, waba: "${waba}" }   # the stand-in instead of https://graph.facebook.com
webhooks: { listen: "127.0.0.1:${webhookPort}", path: /meta, appSecret: ${appSecret}, verifyToken: ${verifyToken} }
`;
}

function numberText({ id }: FullConfiguration, passwordFile: string): string {
  return `  "${numbers.sdes}":
    id: "${id}"
    passwordFile: ${quoted(passwordFile)}   # provision apply writes it
    keying: sdes
    settings: { callback: true }
    permission: check
    permissionRequest: { text: "May we call you about your order?" }`;
}

/** A string of YAML's double-quoted kind, which JSON's are. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
