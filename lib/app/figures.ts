import { newCallsOf } from '../call/limits.js';
import type { CallTable } from '../call/table.js';
import type { Config } from '../config/types.js';
import type { MetricSources } from '../observe/metrics.js';
import { PRESENT, type SipServer } from '../sipserver/index.js';
import type { DailyCounters } from '../state/index.js';

interface Held {
  /** The configuration in force. */
  readonly config: () => Config;
  readonly table: Pick<CallTable, 'begun' | 'onNumber' | 'onPeer'>;
  readonly daily: Pick<DailyCounters, 'count'>;
  /** Null with drachtio-server. */
  readonly embedded: Pick<SipServer, 'stats'> | null;
}

/** For /metrics: how much of each limit is used. */
export function figuresOf({ config, table, daily, embedded }: Held): Pick<MetricSources, 'begun' | 'callsLimit' | 'numbers' | 'peerCalls' | 'sipServer'> {
  // The server's own are those it was started with.
  const { limits: { connections, dialogs, strangers } } = config().sip;
  const limits = { acceptedConnections: connections, dialogs, strangersConnections: Math.min(strangers.connections, Math.floor(connections / 2)), strangersTransactions: strangers.transactions };
  return {
    begun: () => table.begun(),
    callsLimit: () => config().limits.maxCalls,
    numbers: () => Object.fromEntries(Object.entries(config().numbers).map(([number, { maxConcurrentCalls, newCallsPerDay }]) => [
      number, { calls: table.onNumber(number), callsLimit: maxConcurrentCalls, newCalls: newCallsOf(daily, number), newCallsLimit: newCallsPerDay },
    ])),
    peerCalls: () => Object.fromEntries(Object.entries(config().peers).map(([peer, { maxConcurrentCalls }]) => [peer, { calls: table.onPeer(peer), callsLimit: maxConcurrentCalls }])),
    sipServer: () => {
      if (embedded === null) return null;
      const all = Object.entries(embedded.stats());
      return { events: Object.fromEntries(all.filter(([name]) => !PRESENT.has(name))), inUse: Object.fromEntries(all.filter(([name]) => PRESENT.has(name))), limits };
    },
  };
}
