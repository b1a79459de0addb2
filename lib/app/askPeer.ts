import type { PeerConfig } from '../config/types.js';
import type { OptionsOutcome } from '../sip/options.js';
import { probeSocket } from '../voice/agents/probe.js';

/** Whether a peer is there: OPTIONS, or, of a voice agent, a connection. */
export async function askPeer({ websocket, tls }: PeerConfig, timeout: number, options: () => Promise<OptionsOutcome | null>): Promise<OptionsOutcome | null> {
  if (websocket === null) return options();
  const probed = await probeSocket(websocket, tls, timeout);
  return probed.answered ? { ...probed, status: 200 } : probed;
}
