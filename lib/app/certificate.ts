import { firstEnd, judgeCa, judgeCertificate, judgeHttpTls } from '../config/certificate.js';
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
  const found = await judgeAll(config);
  for (const { key, kind, text, todo } of found) {
    if (kind === 'bad' || kind === 'missing') throw new WabError(kind === 'bad' ? 'CERTIFICATE_UNUSABLE' : 'FILE_UNREADABLE', `${key}: ${text}${todo === null ? '' : `: ${todo}`}`);
  }
  tell(found, config, log);
}

async function judgeAll(config: Config): Promise<readonly Judgement[]> {
  const now = Date.now();
  return [...await judgeCa(config, now), ...await judgeHttpTls(config, now), ...(shows(config) ? await judgeCertificate(config, now) : [])];
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
  /** Seconds until the certificate that ends first does, a peer's CA among them, negative afterwards; null when there is none to read. */
  expiresIn(): Promise<number | null>;
  /** Looks at the files of this configuration from now on. */
  reload(config: Config): void;
  close(): void;
}

/** Says again, a few times a day, when the certificate is about to end. */
export function watchCertificate(started: Config, log: Logger): CertificateWatch {
  let config = started;
  let timer: NodeJS.Timeout | null = null;
  let closed = false;
  const look = (): void => {
    timer = after(every, () => {
      void judgeAll(config).then((found) => { if (!closed) tell(found, config, log); }).finally(() => { if (!closed) look(); });
    });
    timer.unref();
  };
  if (shows(config)) look();
  return {
    async expiresIn() {
      const end = shows(config) ? await firstEnd(config) : null;
      return end === null ? null : Math.round((end - Date.now()) / 1000);
    },
    reload(next) {
      config = next;
    },
    close() {
      closed = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}
