import type { MetricSources } from '../../lib/observe/metrics.js';

/** A service that has nothing to tell, for tests that are about something else. */
export const nothingToTell: MetricSources = {
  version: '0', liveCalls: () => 0, certificateExpires: () => Promise.resolve(null), sipUp: () => true, faults: () => 0, mediaUp: () => true, mediaWorkers: () => [], hepLost: () => null,
  sipServer: () => null, begun: () => ({}), callsLimit: () => 1, numbers: () => ({}), peerCalls: () => ({}), peers: () => [], queues: () => [], pickUpRates: () => ({}), shared: () => null, agents: () => new Map(), numberDrift: () => ({}),
  siprec: () => ({ active: 0, outcomes: {} }),
  recordings: () => ({ active: 0, waiting: 0, outcomes: {}, seconds: 0, lost: 0, uploads: {} }),
  registrar: () => ({ devices: {}, results: {}, bans: 0 }),
};
