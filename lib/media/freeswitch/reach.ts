import { isIP } from 'node:net';
import { WabError } from '../../errors.js';
import { EventSocket } from './eventSocket.js';

export interface FreeswitchAddress {
  readonly host: string;
  readonly port: number;
  readonly secret: string;
}

/** The SIP profile of freeswitch/sip_profiles. */
const PROFILE = 'wa-b2bua';
const CONNECT_PATIENCE = 5000;

/** A FreeSWITCH that is connected and configured as we need it. */
export interface Reached {
  readonly socket: EventSocket;
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
  const socket = await EventSocket.open(config, CONNECT_PATIENCE);
  try {
    const status = await socket.api(`sofia status profile ${PROFILE}`);
    const sip = /^URL\s+sip:[^@\s]+@(\S+)/m.exec(status)?.[1];
    if (sip === undefined) throw new WabError('MEDIA_REFUSED', `FreeSWITCH ${address} has no SIP profile ${PROFILE}: start it with the configuration in freeswitch/`);
    const outside = (await socket.api('global_getvar wab_ext_rtp_ip')).trim();
    // FreeSWITCH itself would take a host name, stun: or auto-nat; Meta would be told the private address, and hear nothing.
    if (outside !== '' && isIP(outside) === 0) throw new WabError('MEDIA_REFUSED', `WAB_EXT_RTP_IP of FreeSWITCH ${address} is "${outside}": it must be the public IP address itself`);
    const version = /\d+\.\d+\.\d+/.exec(await socket.api('version'))?.[0] ?? null;
    const core = (await socket.api('global_getvar core_uuid')).trim();
    return { socket, sip, core, version, publicAddress: outside === '' ? null : outside };
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Whether its machine says that nobody listens there. */
export function isRefused(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : null;
  return cause instanceof Error && (cause as NodeJS.ErrnoException).code === 'ECONNREFUSED';
}
