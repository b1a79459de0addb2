// The server in a worker thread: the same from outside, with messages between the threads in place of calls.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { SipServer, SipServerOptions, SipServerStats, WireMessage } from './server.js';
import { Sources } from './transport/sources.js';
import type { Protocol, SourceRules } from './transport/index.js';

/** What of the options can go to another thread, and which of the rest is wanted back. */
export interface ThreadOptions {
  options: Omit<SipServerOptions, 'logger' | 'onMessage' | 'allow' | 'onRefused' | 'onUnknown' | 'onFlowGone' | 'names'>;
  wants: { wire: boolean; allow: boolean; refused: boolean; unknown: boolean; flowGone: boolean };
}

export type LogLevel = 'info' | 'warn' | 'error' | 'debug';

export type FromThread =
  | { kind: 'ready'; listening: string[]; admin: { host: string; port: number } }
  | { kind: 'failed'; message: string; code: string | undefined; listen: string | undefined }
  | { kind: 'wire'; message: WireMessage }
  | { kind: 'log'; level: LogLevel; facts: object; text: string }
  | { kind: 'stats'; stats: SipServerStats }
  | { kind: 'judge'; address: string }
  | { kind: 'refused'; address: string }
  | { kind: 'flowGone'; token: string }
  | { kind: 'unknown'; address: string; protocol: Protocol };

export type ToThread =
  | { kind: 'judged'; address: string; allowed: boolean }
  | { kind: 'sources'; rules: SourceRules }
  | { kind: 'authenticated'; protocol: Protocol; address: string; port: number; seconds: number }
  | { kind: 'close' };

/**
 * Starts the server in a thread of its own. `allow` is asked from there: an address is let in until the answer has come, and asked about again
 * after a second. `stats` are up to half a second old. A name service cannot be given. Rejects as `startSipServer` does.
 */
export async function startSipServerThread(o: Omit<SipServerOptions, 'names'>): Promise<SipServer> {
  const { logger, onMessage, allow, onRefused, onUnknown, onFlowGone, ...options } = o;
  const workerData: ThreadOptions = { options, wants: { wire: onMessage !== undefined, allow: allow !== undefined, refused: onRefused !== undefined, unknown: onUnknown !== undefined, flowGone: onFlowGone !== undefined } };
  const worker = new Worker(new URL('./threadMain.js', import.meta.url), { workerData });
  const post = (message: ToThread): void => { worker.postMessage(message); };
  let stats: SipServerStats = {};
  let closing: Promise<void> | undefined;
  const ready = new Promise<Extract<FromThread, { kind: 'ready' }>>((resolve, reject) => {
    worker.on('error', (error) => {
      // What the thread did not catch ends it; its calls are lost, and its clients see their connections go.
      logger?.error({ error: error.message, stack: error.stack }, 'the thread of the SIP server has died');
      reject(error);
    });
    worker.on('exit', () => { reject(new Error('the thread of the SIP server has ended')); });
    worker.on('message', (message: FromThread) => {
      switch (message.kind) {
        case 'ready': resolve(message); break;
        case 'failed': reject(Object.assign(new Error(message.message), { code: message.code, listen: message.listen })); break;
        case 'wire': onMessage?.(message.message); break;
        case 'log': logger?.[message.level](message.facts, message.text); break;
        case 'stats': stats = message.stats; break;
        case 'refused': onRefused?.(message.address); break;
        case 'flowGone': onFlowGone?.(message.token); break;
        case 'unknown': onUnknown?.(message.address, message.protocol); break;
        case 'judge': post({ kind: 'judged', address: message.address, allowed: allow?.(message.address) ?? true }); break;
      }
    });
  });
  try {
    const { listening, admin } = await ready;
    return {
      listening, admin,
      stats: () => stats,
      setSources: (rules) => {
        // What is wrong with them is told here, not there.
        new Sources(rules);
        post({ kind: 'sources', rules });
      },
      authenticated: (protocol, address, port, seconds) => { post({ kind: 'authenticated', protocol, address, port, seconds }); },
      close: () => closing ??= (async () => {
        const ended = once(worker, 'exit');
        post({ kind: 'close' });
        await ended;
      })(),
    };
  } catch (error) {
    await worker.terminate();
    throw error;
  }
}
