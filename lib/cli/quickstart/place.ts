// Where the files of a demonstration are, and the configuration among them.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { WabError } from '../../errors.js';
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
  readonly certificates: ReturnType<typeof makeCertificates>;
  /** Removes a temporary folder; one that was named stays. */
  remove(): void;
}

/** A new temporary folder, or the one that is named, which must be new, empty or of an earlier demonstration. @throws WabError */
export function openPlace(named: string | undefined): Place {
  const dir = named === undefined ? mkdtempSync(join(tmpdir(), 'wa-b2bua-quickstart-')) : resolve(named);
  const [config, records] = [join(dir, 'config.yaml'), join(dir, 'cdr.jsonl')];
  try {
    mkdirSync(dir, { recursive: true });
    if (readdirSync(dir).length > 0 && !(existsSync(config) && readFileSync(config, 'utf8').startsWith(MARK))) {
      throw new WabError('FILE_UNWRITABLE', `${dir} has files that quickstart did not make: name a new or an empty folder`);
    }
    rmSync(records, { force: true });
    const certificates = makeCertificates(join(dir, 'certs'), domain, metaHost);
    return { dir, config, records, certificates, remove() { if (named === undefined) rmSync(dir, { recursive: true, force: true }); } };
  } catch (error) {
    throw error instanceof WabError ? error : new WabError('FILE_UNWRITABLE', (error as Error).message, { cause: error });
  }
}

/** Writes the configuration for a PBX at `peer` (a SIP URI) and a stand-in of Meta at `metaPort`; gives its text. */
export function writeConfiguration({ config, records, certificates }: Place, peer: string, metaPort: number): string {
  const text = `${MARK}
domain: ${domain}
sip:
  listen: ["tls:127.0.0.1:0", "udp:127.0.0.1:0"]   # any free ports
  tls: { cert: ${quoted(certificates.service.cert)}, key: ${quoted(certificates.service.key)} }
meta: { address: 127.0.0.1, port: ${metaPort}, ca: ${quoted(certificates.ca)}, sources: ["127.0.0.1"] }   # the stand-in instead of ${metaHost}
media: { engine: embedded, interface: 127.0.0.1, ports: 30000-30999 }
numbers:
${Object.entries(numbers).map(([keying, number]) => `  "${number}": { password: ${password}, keying: ${keying} }`).join('\n')}
peers:
  pbx: { uri: ${quoted(peer)}, sources: ["127.0.0.1"], pstn: none, users: ["6[0-9]{3}"], mayCall: ${JSON.stringify(Object.values(numbers))} }
routes:
${Object.entries(numbers).map(([keying, number]) => `  - { name: ${keying}, number: "${number}", to: [{ peer: pbx, user: "6001" }] }`).join('\n')}
http: { listen: "127.0.0.1:0" }
cdr: { file: ${quoted(records)} }
log: { level: warn }
`;
  writeFileSync(config, text);
  return text;
}

/** A string of YAML's double-quoted kind, which JSON's are. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
