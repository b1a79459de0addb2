import { isIP } from 'node:net';
import { WabError } from '../../errors.js';
import { Link, PROFILE, type FreeswitchAddress } from './link.js';

const CONNECT_PATIENCE = 5000;

/** A FreeSWITCH that is connected and configured as we need it. */
export interface Reached {
  readonly link: Link;
  /** host:port of its SIP profile. */
  readonly sip: string;
  /** Of this run of it. */
  readonly core: string;
  readonly version: string | null;
  /** What Meta is to be told, behind NAT; null: its own. */
  readonly publicAddress: string | null;
}

/** Connects to a FreeSWITCH and asks for what must be known of it. @throws WabError 'MEDIA_UNAVAILABLE', 'MEDIA_REFUSED'. */
export async function reach(config: FreeswitchAddress): Promise<Reached> {
  const address = `${config.host}:${config.port}`;
  const link = await Link.open(config, CONNECT_PATIENCE);
  try {
    const { sip } = link;
    if (sip === null) throw new WabError('MEDIA_REFUSED', `FreeSWITCH ${address} has no SIP profile ${PROFILE}: start it with the configuration in freeswitch/`);
    const outside = (await link.api('global_getvar wab_ext_rtp_ip')).trim();
    // FreeSWITCH itself would take a host name, stun: or auto-nat; Meta would be told the private address, and hear nothing.
    if (outside !== '' && isIP(outside) === 0) throw new WabError('MEDIA_REFUSED', `WAB_EXT_RTP_IP of FreeSWITCH ${address} is "${outside}": it must be the public IP address itself`);
    const version = /\d+\.\d+\.\d+/.exec(await link.api('version'))?.[0] ?? null;
    const core = (await link.api('global_getvar core_uuid')).trim();
    return { link, sip, core, version, publicAddress: outside === '' ? null : outside };
  } catch (error) {
    link.close();
    throw error;
  }
}

/** Whether its machine says that nobody listens there. */
export function isRefused(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : null;
  return cause instanceof Error && (cause as NodeJS.ErrnoException).code === 'ECONNREFUSED';
}
