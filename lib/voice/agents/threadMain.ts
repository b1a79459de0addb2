// The thread of voice agents' sockets: what they send, however much and whatever it is, keeps neither calls nor packets waiting.
import { randomBytes } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { Guard } from '../../util/guard.js';
import { AgentSocket } from './agentSocket.js';
import type { FromSockets, ToSockets } from './messages.js';

const port = parentPort;
if (!port) throw new Error('threadMain.ts runs as a worker thread only');

const tell = (word: FromSockets): void => port.postMessage(word);
const guard = new Guard(() => undefined, (place, error) => tell({ op: 'bug', text: `${place}: ${error.stack ?? error.message}` }));
const sockets = new Map<number, AgentSocket>();

function obey(word: ToSockets): void {
  switch (word.op) {
    case 'dial': {
      const { id, patience } = word;
      const socket = new AgentSocket(word, (news) => {
        if (news.op === 'closed') sockets.delete(id);
        tell({ ...news, id });
      }, () => randomBytes(16).toString('hex'));
      sockets.set(id, socket);
      return void socket.dial(patience).catch((error: unknown) => guard.fault('opening of a socket', error));
    }
    case 'stop': {
      for (const socket of [...sockets.values()]) socket.end('stopped');
      return port?.close();
    }
    case 'begin': return sockets.get(word.id)?.begin();
    case 'digit': return sockets.get(word.id)?.digit(word.digit, word.durationMs);
    case 'transferring': return sockets.get(word.id)?.transferring(word.news);
    case 'end': return sockets.get(word.id)?.end(word.reason);
  }
}

port.on('message', (word: ToSockets) => guard.run('word to a socket', () => obey(word)));

// What a socket's callback throws concerns one conversation; an exception would end all.
process.on('uncaughtException', (error) => guard.fault('socket of an agent', error));
