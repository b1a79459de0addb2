// What runs in the thread that startSipServerThread makes.
import { parentPort, workerData } from 'node:worker_threads';
import { Judgements } from './judgements.js';
import { startSipServer } from './server.js';
import { Guard } from '../util/guard.js';
import type { SipServer, SipServerStats } from './server.js';
import type { FromThread, LogLevel, ThreadOptions, ToThread } from './thread.js';

const STATS_INTERVAL = 500;
if (parentPort === null) throw new Error('threadMain.ts runs as a worker thread only');
const port = parentPort;
const { options, acquainted, wants } = workerData as ThreadOptions;
const tell = (message: FromThread): void => { port.postMessage(message); };

const judgements = new Judgements((address) => { tell({ kind: 'judge', address }); }, Date.now);

const log = (level: LogLevel) => (facts: object, text: string): void => { tell({ kind: 'log', level, facts, text }); };

/** Faults of one minute at which the thread is no longer to be trusted; a new one then takes its place. */
const TOO_MANY = 50;
let faults = 0;
let recent = { minute: 0, count: 0 };
const guard = new Guard(() => {
  faults++;
  const minute = Math.floor(Date.now() / 60_000);
  recent = { minute, count: minute === recent.minute ? recent.count + 1 : 1 };
  if (recent.count > TOO_MANY) process.exit(1);
}, (place, error) => { log('error')({ error: error.message, stack: error.stack }, place); });
// An exception that nobody caught belongs to one message or one call; ending the thread would end every other call with it.
process.on('uncaughtException', (error) => { guard.fault('an exception that nobody caught', error); });
process.on('unhandledRejection', (reason) => { guard.fault('a rejection that nobody caught', reason); });

try {
  const server: SipServer = await startSipServer({
    ...options, acquainted: () => acquainted, logger: { info: log('info'), warn: log('warn'), error: log('error'), debug: log('debug') },
    ...(wants.wire ? { onMessage: (message) => { tell({ kind: 'wire', message }); } } : {}),
    ...(wants.allow ? { allow: (address) => judgements.allow(address) } : {}),
    ...(wants.flowGone ? { onFlowGone: (token) => { tell({ kind: 'flowGone', token }); } } : {}),
    ...(wants.refused ? { onRefused: (address) => { tell({ kind: 'refused', address }); } } : {}),
    ...(wants.unknown ? { onUnknown: (address, protocol) => { tell({ kind: 'unknown', address, protocol }); } } : {}),
  });
  const stats = (): SipServerStats => {
    const counted = server.stats();
    return { ...counted, faults: (counted['faults'] ?? 0) + faults };
  };
  const telling = setInterval(guard.wrap('figures of the SIP server', () => { tell({ kind: 'stats', stats: stats() }); }), STATS_INTERVAL);
  port.on('message', guard.wrap('message to the SIP server', (message: ToThread) => {
    switch (message.kind) {
      case 'judged': judgements.judged(message.address, message.allowed); break;
      case 'sources': server.setSources(message.rules); break;
      case 'domains': guard.spawn('certificates of domains', server.setDomains(message.domains)); break;
      case 'nodes': server.setNodes(message.addresses); break;
      case 'tlsWith': server.setTlsWith(message.rules); break;
      case 'authenticated': server.authenticated(message.protocol, message.address, message.port, message.seconds); break;
      case 'close':
        clearInterval(telling);
        void server.close().finally(() => { port.close(); });
    }
  }));
  tell({ kind: 'stats', stats: stats() });
  tell({ kind: 'ready', listening: [...server.listening], admin: server.admin });
} catch (error) {
  tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error), code: (error as NodeJS.ErrnoException).code, listen: (error as { listen?: string }).listen });
  port.close();
}
