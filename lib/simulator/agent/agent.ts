// A stand-in of a voice agent: a server of WebSockets that speaks a dialect, and reports what it saw.
import { EventEmitter, once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, STATUS_CODES } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { after } from '../../util/after.js';
import { parseAgentBehaviour } from './behaviour.js';
import type { AgentBehaviour } from './behaviour.js';
import { AgentConversation } from './conversation.js';
import type { AgentDialect } from './dialect.js';

export interface AgentOptions {
  /** HOST:PORT; default 127.0.0.1:0. */
  listen?: string | undefined;
  dialect: AgentDialect;
  /** Words of `parseAgentBehaviour`; default `listen`. */
  behaviour?: string | undefined;
  /** Its tone, Hz. Default 700. */
  tone?: number | undefined;
  /** With them it is wss (PEM files). */
  cert?: string | undefined;
  key?: string | undefined;
}

interface Events {
  conversation: [conversation: AgentConversation];
  refused: [status: number];
  ended: [conversation: AgentConversation];
}

/** The subprotocol of jambonz; the other dialects have none. */
const PROTOCOL = 'audio.jambonz.org';

export class SimulatedAgent extends EventEmitter<Events> {
  readonly conversations: AgentConversation[] = [];
  /** Requests that came, refused ones too. */
  requests = 0;
  behaviour: AgentBehaviour;
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly streams = new Set<Duplex>();
  private readonly sockets: WebSocketServer;

  constructor(private readonly server: Server, private readonly options: AgentOptions) {
    super();
    this.behaviour = parseAgentBehaviour(options.behaviour ?? 'listen');
    this.sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, handleProtocols: (offered) => (options.dialect === 'jambonz' && offered.has(PROTOCOL) ? PROTOCOL : false) });
    server.on('connection', (stream) => {
      this.streams.add(stream);
      stream.once('close', () => this.streams.delete(stream));
    });
    server.on('upgrade', (request, stream, head) => { this.asked(request, stream, head); });
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.options.cert === undefined ? 'ws' : 'wss'}://${this.options.cert === undefined ? '127.0.0.1' : 'localhost'}:${this.port}/call`;
  }

  /** Resolves with the next conversation. */
  async next(): Promise<AgentConversation> {
    const [conversation] = await once(this, 'conversation') as [AgentConversation];
    return conversation;
  }

  async close(): Promise<void> {
    for (const timer of this.timers) clearTimeout(timer);
    for (const { socket } of this.conversations) socket.terminate();
    for (const stream of this.streams) stream.destroy();
    await new Promise((resolve) => { this.server.close(resolve); });
  }

  private asked(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    this.requests++;
    stream.on('error', () => undefined);
    if (this.behaviour.slowMs === Infinity) return;
    this.timers.add(after(this.behaviour.slowMs, () => { this.answer(request, stream, head); }));
  }

  private answer(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const { refuse } = this.behaviour;
    if (refuse !== undefined) {
      stream.end(`HTTP/1.1 ${refuse} ${STATUS_CODES[refuse] ?? 'No'}\r\n${refuse < 400 ? 'Location: ws://127.0.0.1:9/\r\n' : ''}Connection: close\r\nContent-Length: 0\r\n\r\n`);
      this.emit('refused', refuse);
      return;
    }
    this.sockets.handleUpgrade(request, stream, head, (socket) => {
      const conversation = new AgentConversation(socket, this.options.dialect, this.behaviour, request.headers, this.options.tone ?? 700);
      this.conversations.push(conversation);
      conversation.once('ended', () => { this.emit('ended', conversation); });
      this.emit('conversation', conversation);
    });
  }
}

export async function startAgent(options: AgentOptions): Promise<SimulatedAgent> {
  const { cert, key } = options;
  const server = cert === undefined || key === undefined ? createServer() : createSecureServer({ cert: readFileSync(cert), key: readFileSync(key) });
  const agent = new SimulatedAgent(server, options);
  const [, host = '127.0.0.1', port = '0'] = /^(.*):(\d+)$/.exec(options.listen ?? '') ?? [];
  server.listen(Number(port), host.replace(/^\[|\]$/g, ''));
  await once(server, 'listening');
  return agent;
}
