// Meta's Graph API, played: settings, permissions, messages, webhooks, and everything that goes wrong with them.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { listenError } from '../../errors.js';
import { hostPort, splitHostPort } from '../../util/hostPort.js';
import { refuse, type Answer } from './answers.js';
import { HONEST, parseGraphBehaviour, type GraphBehaviour } from './behaviour.js';
import { GraphCalls } from './calls.js';
import { Control } from './control.js';
import { Pages } from './pages.js';
import { fields, isFields } from './reading.js';
import type { StandInNumber } from './number.js';
import { Replies } from './replies.js';
import { userNamed, type StandInUser } from './users.js';
import { World, type WorldOptions } from './world.js';

export interface GraphOptions extends WorldOptions {
  /** HOST:PORT; default 127.0.0.1:0. */
  readonly listen?: string | undefined;
  /** Words of `parseGraphBehaviour`, or the parts of a behaviour. */
  readonly behaviour?: string | Partial<GraphBehaviour> | undefined;
}

/** A request that was made, without what it had to be made with. `error`: Meta's code and title where it was refused: "(#138009) …"; null: it was not. */
export interface GraphRequest { readonly method: string; readonly path: string; readonly body: string; readonly status: number; readonly error: string | null }

/** Bytes of a request's body. */
const MOST_BODY = 20_000_000;

/** Starts the stand-in. Rejects with PORT_IN_USE or ADDRESS_UNUSABLE. */
export async function startGraph(options: GraphOptions): Promise<SimulatedGraph> {
  const graph = new SimulatedGraph(options);
  await graph.listen(options.listen ?? '127.0.0.1:0');
  return graph;
}

export class SimulatedGraph {
  readonly world: World;
  readonly replies: Replies;
  /** For the SIP side (`startMeta`, `simulateUser`): one ledger. */
  readonly calls: GraphCalls;
  /** Requests so far; the last ten thousand. */
  readonly requests: GraphRequest[] = [];
  /** Is told of each request. */
  onRequest: (request: GraphRequest) => void = () => undefined;
  readonly #pages: Pages;
  readonly #control: Control;
  readonly #server: Server;
  #left = Infinity;
  #answering = 0;

  constructor(options: GraphOptions) {
    this.world = new World(options);
    this.replies = new Replies(this.world);
    this.calls = new GraphCalls(this.world, this.replies);
    this.#pages = new Pages(this.world, this.replies);
    this.#control = new Control(this);
    this.behave(options.behaviour ?? {});
    this.#server = createServer((request, response) => {
      this.#answering += 1;
      response.once('close', () => { this.#answering -= 1; });
      void this.#serve(request, response).catch(() => response.destroy());
    });
  }

  /** Requests that have come and are not answered yet. */
  get answering(): number {
    return this.#answering;
  }

  /** Changes how it behaves from now on. */
  behave(behaviour: string | Partial<GraphBehaviour>): void {
    this.world.behaviour = typeof behaviour === 'string' ? parseGraphBehaviour(behaviour) : { ...HONEST, ...behaviour };
    this.#left = this.world.behaviour.times;
  }

  /** A user answers the newest request of a number, or, with `profile`, permits calls in the number's profile. Throws where there is no such number or user. */
  answer(number: string, name: string, answer: 'accept' | 'permanent' | 'reject', profile = false): void {
    const { number: found, user } = this.pair(number, name);
    this.replies.answer(found, user, answer, profile);
  }

  /** A setting is changed by somebody else, as in WhatsApp Manager, and told by webhook. */
  change(number: string, name: string, value: unknown): void {
    const { number: found } = this.pair(number, '+447700900101');
    found.set(name, value);
    this.#pages.tellSettings(found, { [name]: value });
  }

  /** Throws where there is no such number or user. */
  pair(number: string, name: string): { readonly number: StandInNumber; readonly user: StandInUser } {
    const [found, user] = [this.world.byNumber(number), userNamed(name)];
    if (found === undefined || user === undefined) throw new Error('no such number or user');
    return { number: found, user };
  }

  listen(listen: string): Promise<void> {
    const { host = '127.0.0.1', port = 0 } = splitHostPort(listen) ?? {};
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => reject(listenError('listen', listen, error)));
      this.#server.listen({ host, port: port ?? 0 }, resolve);
    });
  }

  /** "http://127.0.0.1:8090", for graph.url. */
  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `http://${hostPort(address, port)}`;
  }

  async close(): Promise<void> {
    this.replies.close();
    await this.world.webhooks.close();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => { this.#server.close(() => resolve()); });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    const body = await bodyOf(request);
    const [first = '', ...rest] = url.pathname.split('/').slice(1).map(decodeURIComponent);
    if (first === 'standin') return send(response, await this.#control.answer(rest[0] ?? '', body));
    const app = this.world.tokens[/^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''];
    if (first === 'media') return this.#sendMedia(response, rest[0] ?? '', app);
    const fault = this.#fault(rest[1] ?? '');
    if (fault === 'hangup') return void request.socket.destroy();
    const { method = 'GET' } = request;
    const honest = async (known: string): Promise<Answer> => (/^v\d+\.\d$/.test(first)
      ? this.#pages.answer({ method, path: rest, query: url.searchParams, body, app: known, origin: this.url }) : refuse(100, 'Unknown path components'));
    const answer = fault === 'token' || app === undefined ? refuse(190) : fault === 'down' || fault === 'rate' ? refuse(fault === 'down' ? 2 : 4) : await honest(app);
    const made = { method, path: `${url.pathname}${url.search}`, body: body.toString('utf8'), status: answer.status, error: errorIn(answer) };
    this.requests.push(made);
    if (this.requests.length > 10_000) this.requests.shift();
    this.onRequest(made);
    if (fault === 'slow') await new Promise((resolve) => { setTimeout(resolve, this.world.behaviour.slowMs).unref(); });
    this.#reply(response, fault, answer);
  }

  /** What goes wrong with this request, if anything does. */
  #fault(page: string): GraphBehaviour['fault'] {
    const { fault, only } = this.world.behaviour;
    if (fault === null || this.#left <= 0 || (only !== null && only !== page)) return null;
    this.#left--;
    return fault;
  }

  #reply(response: ServerResponse, fault: GraphBehaviour['fault'], answer: Answer): void {
    const { loose, unknown } = this.world.behaviour;
    const body = loose || unknown ? strayed(answer.body, '', { loose, unknown }) : answer.body;
    if (fault === 'html') return void response.writeHead(200, { 'content-type': 'text/html' }).end('<!DOCTYPE html><html><title>Facebook</title></html>');
    if (fault === 'false') return send(response, { status: 200, body: { success: false } });
    const text = JSON.stringify(body);
    if (fault === 'truncated') return void response.writeHead(200, { 'content-type': 'application/json' }).end(text.slice(0, Math.ceil(text.length / 2)));
    send(response, { ...answer, body });
  }

  #sendMedia(response: ServerResponse, id: string, app: string | undefined): void {
    const media = this.world.media.get(id);
    if (app === undefined || media === undefined) return send(response, app === undefined ? refuse(190) : { status: 404, body: {} });
    response.writeHead(200, { 'content-type': media.mimeType }).end(media.bytes);
  }
}

function send(response: ServerResponse, { status, body, headers }: Answer): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8', ...headers }).end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    size += (part as Buffer).length;
    if (size > MOST_BODY) throw new Error('too long');
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts);
}

function errorIn({ body }: Answer): string | null {
  const { message } = fields(fields(body)['error']);
  return typeof message === 'string' ? message : null;
}

/** The same answer as Meta's pages write it elsewhere: ids as numbers, numbers as text; with keys that nobody knows yet. */
function strayed(value: unknown, key: string, how: { readonly loose: boolean; readonly unknown: boolean }): unknown {
  if (Array.isArray(value)) return value.map((item) => strayed(item, key, how));
  if (isFields(value)) {
    const entries = Object.entries(value).map(([name, one]) => [name, strayed(one, name, how)] as const);
    return Object.fromEntries([...entries, ...(how.unknown ? [['of_tomorrow', { status: 'NEW', list: [1] }] as const] : [])]);
  }
  if (!how.loose) return value;
  if (typeof value === 'string' && /id$/.test(key) && /^\d{1,15}$/.test(value)) return Number(value);
  return typeof value === 'number' && key !== 'code' ? String(value) : value;
}
