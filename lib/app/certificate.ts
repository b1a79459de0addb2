import { certificateEnd, judgeCa, judgeCertificate, judgeHttpTls } from '../config/certificate.js';
import { identities } from '../config/domains.js';
import type { Judgement } from '../config/judgement.js';
import type { Config } from '../config/types.js';
import { WabError } from '../errors.js';
import type { Logger } from '../observe/logger.js';
import { after } from '../util/after.js';

/** The certificate is looked at again so often, milliseconds. */
const every = 6 * 3_600_000;

/** Whether the embedded server shows a certificate of these files. */
function shows({ sip }: Config): boolean {
  return sip.server === 'embedded' && sip.listen.some((socket) => socket.startsWith('tls:'));
}

/**
 * Looks at every certificate, key and extra CA before a socket is opened, and tells what Meta will not like.
 * @throws WabError CERTIFICATE_UNUSABLE or FILE_UNREADABLE with the key of the configuration
 */
export async function checkCertificate(config: Config, log: Logger): Promise<void> {
  const found = [...await judgeCa(config), ...await judgeHttpTls(config), ...(shows(config) ? await judgeCertificate(config, Date.now()) : [])];
  for (const { key, kind, text, todo } of found) {
    if (kind === 'bad' || kind === 'missing') throw new WabError(kind === 'bad' ? 'CERTIFICATE_UNUSABLE' : 'FILE_UNREADABLE', `${key}: ${text}${todo === null ? '' : `: ${todo}`}`);
  }
  tell(found, config, log);
}

function tell(found: readonly Judgement[], config: Config, log: Logger): void {
  for (const { key, level, kind, text, todo } of found) {
    if (level === 'ok') continue;
    const file = identities(config).find(({ at }) => key.startsWith(`${at}.`))?.cert;
    const line = `${file === undefined ? key : `the certificate ${file}`}: ${text}${todo === null ? '' : `: ${todo}`}`;
    if (kind === 'unfit') log.error({ part: 'certificate', key }, line);
    else log.warn({ part: 'certificate', key }, line);
  }
}

export interface CertificateWatch {
  /** Seconds until the certificate that ends first does, negative afterwards; null when there is none to read. */
  expiresIn(): Promise<number | null>;
  close(): void;
}

/** Says again, a few times a day, when the certificate is about to end. */
export function watchCertificate(config: Config, log: Logger): CertificateWatch {
  const certs = identities(config).flatMap(({ cert }) => (cert === null ? [] : [cert]));
  let timer: NodeJS.Timeout | null = null;
  let closed = false;
  const look = (): void => {
    timer = after(every, () => {
      void judgeCertificate(config, Date.now()).then((found) => { if (!closed) tell(found, config, log); }).finally(() => { if (!closed) look(); });
    });
    timer.unref();
  };
  if (shows(config)) look();
  return {
    async expiresIn() {
      const ends = shows(config) ? (await Promise.all(certs.map(certificateEnd))).filter((end) => end !== null) : [];
      return ends.length === 0 ? null : Math.round((Math.min(...ends) - Date.now()) / 1000);
    },
    close() {
      closed = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}
