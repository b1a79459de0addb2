/**
 * The typed face of drachtio-srf: the part of it that this program uses, as it really behaves.
 * Its own types leave out most of what follows (header arrays, dialog ids, source address), so the casts live here and nowhere else.
 */
import type { EventEmitter } from 'node:events';
import { WabError } from '../errors.js';
import { keyOf, parseNameAddr, parseUri, splitList } from '../sipserver/parser/index.js';
import { tagOf } from './headers.js';
import type { LocalServer } from './localSocket.js';
import { Srf } from './srf.js';
import { faultOf } from './srfReader.js';
import { withPatience } from '../util/withTimeout.js';
export { inferredOf, wholeBody } from './srfReader.js';
import type { Guard } from '../util/guard.js';

export type SipHeaders = Record<string, string>;

/** What requests and responses share. Header values that came in several lines are joined by commas. */
export interface SipMessageView {
  readonly headers: Readonly<Record<string, string>>;
  /** Of INVITE, ACK, PRACK, UPDATE and their responses the session description in the body, '' where there is none; of others the body. */
  readonly body: string;
  /** Address and port the message came from, and 'udp', 'tcp', 'tls', 'ws' or 'wss'. */
  readonly source_address: string;
  readonly source_port: number;
  readonly protocol: string;
  get(name: string): string | undefined;
  has(name: string): boolean;
}

/** A request from the network, or one of ours as it was sent. */
export interface SipRequest extends SipMessageView, EventEmitter {
  readonly method: string;
  /** The Request-URI as received. */
  readonly uri: string;
  cancel(options: { headers?: SipHeaders }, callback: (err: unknown) => void): void;
}

/** Every header of a message as plain data: lower-case names, each with all its values; lines of the same name are joined by commas. */
export function headerFacts({ headers }: Pick<SipMessageView, 'headers'>): Record<string, string[]> {
  const facts = new Map<string, string[]>();
  for (const [name, value] of Object.entries(headers)) {
    const key = keyOf(name);
    facts.set(key, [...(facts.get(key) ?? []), value]);
  }
  return Object.fromEntries(facts);
}

/** The means to answer a request, or a response from the network. */
export interface SipResponse extends SipMessageView {
  readonly status: number;
  readonly reason: string;
  readonly finalResponseSent: boolean;
  send(status: number, reason: string, options?: { headers?: SipHeaders; body?: string }, callback?: (err: unknown) => void): void;
  send(status: number, options?: { headers?: SipHeaders; body?: string }, callback?: (err: unknown) => void): void;
}

/** An INVITE dialog. 'destroy' comes once when the far end, or the SIP server, ended it. */
export interface SipDialog extends EventEmitter {
  /** The connection it lives on. */
  readonly srf: EventEmitter;
  readonly sip: { readonly callId: string; readonly localTag: string; readonly remoteTag: string };
  /** `contact`: our Contact value, as it was sent. */
  readonly local: { sdp: string; readonly contact?: string };
  readonly remote: { readonly uri: string; readonly sdp: string };
  readonly connected: boolean;
  /** The response that made it: of a dialog that we began, the peer's 200. */
  readonly res: SipResponse;
  destroy(options?: { headers?: SipHeaders }): Promise<SipRequest>;
  /** A re-INVITE with this description; resolves with the one of its 200, which `remote.sdp` is then too. */
  modify(sdp: string): Promise<string>;
}

/** Rejected by createUAC when the far end refused: the status and the whole response. */
export interface SipRefusal extends Error {
  readonly status: number;
  readonly reason?: string;
  readonly res?: SipResponse;
}

export interface UacOptions {
  headers: SipHeaders;
  localSdp: string;
  proxy?: string;
}

/** One connection to one SIP server. */
export interface SipStack extends EventEmitter {
  /** Starts connecting and goes on trying; 'connect', 'close' and 'error' tell how it goes. */
  connect(options: ({ host: string; port: number } | { server: LocalServer }) & { secret: string; reconnect: { retryMaxDelay: number } }): void;
  disconnect(): void;
  use(handler: (req: SipRequest, res: SipResponse, next: () => void) => void): void;
  createUAS(req: SipRequest, res: SipResponse, options: { localSdp: string; headers: SipHeaders }): Promise<SipDialog>;
  /** A request outside any dialog; the callback gets it as it was sent, and its responses come as events of it. */
  request(uri: string, options: { method: string; headers: SipHeaders; proxy?: string }, callback: (err: unknown, req: SipRequest | undefined) => void): void;
  createUAC(
    uri: string,
    options: UacOptions,
    progress: { cbRequest: (err: unknown, req: SipRequest) => void; cbProvisional: (res: SipResponse) => void },
  ): Promise<SipDialog>;
}

/** Methods handled by a dialog once one exists; outside a dialog they reach the handler given to `onRequest`. */
const methods = ['invite', 'bye', 'options', 'info', 'notify', 'refer', 'subscribe', 'message', 'register', 'update', 'prack', 'publish'] as const;

/** A connection that is not yet opened; `onRequest` gets every request that belongs to no dialog. What a request makes somebody throw is answered 500 and told to the guard. */
export function createStack(onRequest: (req: SipRequest, res: SipResponse) => void, guard: Guard): SipStack {
  const srf = new Srf() as unknown as SipStack & Record<string, (handler: typeof onRequest) => void>;
  const handler = guarded(guard, onRequest);
  for (const method of methods) srf[method]?.(handler);
  // Each call waiting for this connection listens for its end.
  srf.setMaxListeners(0);
  const { app } = srf as unknown as { app: { handle: (req: SipRequest, res: SipResponse, next?: () => void) => void } };
  const handle = app.handle.bind(app);
  app.handle = (req, res, next) => {
    // Within a dialog: who begins one is asked who they are first.
    const objection = tagOf(req.get('To')) === null ? null : objectsTo(req);
    if (objection === null || req.method === 'ACK') handle(req, res, next);
    else res.send(objection.status, objection.reason, { headers: objection.headers });
  };
  // What comes in a dialog before anyone listens would be answered by drachtio-srf itself: 200 to a REFER, the old answer to a new offer.
  const dialogs = srf as unknown as { addDialog(dialog: Queueing): void };
  const add = dialogs.addDialog.bind(srf);
  dialogs.addDialog = (dialog) => {
    dialog.queueRequests = true;
    tellAtOnce(dialog);
    dialog.handle = guarded(guard, dialog.handle.bind(dialog));
    add(dialog);
  };
  return srf;
}

/** drachtio-srf would write what a handler throws to standard error. */
function guarded(guard: Guard, handle: (req: SipRequest, res: SipResponse) => void): (req: SipRequest, res: SipResponse) => void {
  return (req, res) => {
    try {
      handle(req, res);
    } catch (error) {
      guard.fault('request', error);
      if (req.method !== 'ACK' && !res.finalResponseSent) res.send(500);
    }
  };
}

/** Requests in a dialog that drachtio-srf tells of a turn later than it came to them. */
const toldLater: ReadonlySet<string> = new Set(['INFO', 'REFER', 'OPTIONS', 'MESSAGE', 'PUBLISH', 'UPDATE']);

/**
 * Requests are told in their order: by the next turn a BYE behind them would have taken the listeners away, and drachtio-srf answers 200 to
 * what nobody listens for, a REFER too. While an INVITE in the dialog is not answered, drachtio-srf hands an UPDATE to that request instead of the
 * dialog, and answers 500 where it does not listen: Asterisk sends one right behind its re-INVITE, to say who is connected now.
 */
function tellAtOnce(dialog: Queueing): void {
  const handle = dialog.handle.bind(dialog);
  dialog.handle = (req, res) => {
    if (req.method === 'INVITE') req.on('update', (update: SipRequest, answer: SipResponse) => dialog.handle(update, answer));
    if (dialog._queueRequests || !toldLater.has(req.method) || !dialog.emit(req.method.toLowerCase(), req, res)) handle(req, res);
  };
}

/** A refusal of what cannot be taken as it is. */
export interface Objection {
  readonly status: number;
  readonly reason: string;
  readonly headers: SipHeaders;
}

/** What every request must hold before anything is done with it; null when it does. */
export function objectsTo(req: SipRequest): Objection | null {
  const fault = faultOf(req);
  if (fault !== null) return { ...fault, headers: fault.status === 415 ? { Accept: 'application/sdp, multipart/mixed' } : {} };
  // RFC 3261 §8.1.1.8: without a Contact nothing could be sent within the dialog. drachtio-srf would answer first and fail then.
  if (req.method === 'INVITE' && tagOf(req.get('To')) === null && !namesContact(req.get('Contact'))) return { status: 400, reason: 'Missing Contact', headers: {} };
  return null;
}

function namesContact(value: string | undefined): boolean {
  return parseUri(parseNameAddr(splitList(value ?? '')[0] ?? '')?.uri ?? '') !== undefined;
}

/** What drachtio-srf keeps of a dialog's requests that came too early. */
interface Queueing extends EventEmitter {
  queueRequests: boolean;
  readonly _queueRequests: boolean;
  handle(req: SipRequest, res: SipResponse): void;
  readonly queuedRequests: { readonly req: SipRequest; readonly res: SipResponse }[];
}

/** Whoever has a new dialog listens now: what came in it so far is delivered, and what comes. */
export function deliver(dialog: SipDialog): void {
  (dialog as SipDialog & Queueing).queueRequests = false;
}

/** Milliseconds. */
const PING_PATIENCE = 1000;

/** What lies below a connection: drachtio-srf's agent and its socket protocol. */
interface Internals {
  readonly app?: {
    readonly client?: {
      readonly mapServer: ReadonlyMap<unknown, unknown>;
      readonly wp?: EventEmitter & { send(socket: unknown, text: string): string; closing?: boolean; reconnectVars?: { retryTimer?: NodeJS.Timeout | null } };
    };
  };
}

/** Calls `listener` with every message of the client protocol that the SIP server sends; use it after connect(). */
export function onProtocolMessage(stack: SipStack, listener: (text: string) => void): void {
  (stack as SipStack & Internals).app?.client?.wp?.on('msg', (_socket: unknown, text: string) => listener(text));
}

/**
 * What one message of the SIP server makes somebody throw goes to the guard; use it after connect(). drachtio-srf lets it through to the socket, keeps
 * the message, and reads it again with whatever comes next: nothing behind it would ever be read.
 */
export function guardMessages(stack: SipStack, guard: Guard): void {
  const wp = (stack as SipStack & Internals).app?.client?.wp;
  for (const listener of wp?.listeners('msg') ?? []) {
    const hear = listener as (socket: unknown, text: string) => void;
    wp?.off('msg', hear).on('msg', guard.wrap('message of the SIP server', hear));
  }
}

/**
 * Resolves when the server has taken what was sent to it so far: after 'connect', which requests we want. It handles what a client sends
 * in its order, and a request that came before would get 503. An older server that knows no ping is given a moment.
 */
export async function taken(stack: SipStack): Promise<void> {
  await pinged(stack, PING_PATIENCE);
}

/** Whether the server answers a ping within `patienceMs`, stalls of ours not counted; it answers what a client sends in its order. Never rejects. */
export async function pinged(stack: SipStack, patienceMs: number): Promise<boolean> {
  const client = (stack as SipStack & Internals).app?.client;
  const socket: unknown = client?.mapServer.keys().next().value;
  if (client?.wp === undefined || socket === undefined) return false;
  const { wp } = client;
  const id = wp.send(socket, 'ping');
  let heard: (socket: unknown, text: string) => void = () => undefined;
  const answered = new Promise<true>((resolve) => {
    heard = (_socket, text) => { if (text.includes(`|response|${id}|`)) resolve(true); };
    wp.on('msg', heard);
  });
  try {
    return await withPatience(answered, patienceMs, () => false);
  } finally {
    wp.off('msg', heard);
  }
}

/** Disconnects for good. Between two attempts to connect, disconnect() throws and leaves the next attempt's timer running. */
export function closeStack(stack: SipStack): void {
  const protocol = (stack as SipStack & Internals).app?.client?.wp;
  if (protocol === undefined) return;
  protocol.closing = true;
  clearTimeout(protocol.reconnectVars?.retryTimer ?? undefined);
  try {
    stack.disconnect();
  } catch {
    // Not connected just now.
  }
}

/**
 * Waits for something that only the SIP server can bring about. drachtio-srf never settles what was asked on a connection that
 * has gone since.
 * @throws WabError SIP_UNAVAILABLE when the connection goes first
 */
export async function whileConnected<T>(stack: EventEmitter, work: Promise<T>): Promise<T> {
  let lost: () => void = () => undefined;
  const gone = new Promise<never>((_resolve, reject) => {
    lost = () => reject(new WabError('SIP_UNAVAILABLE', 'the connection to the SIP server was lost'));
    stack.once('close', lost);
  });
  try {
    return await Promise.race([work, gone]);
  } finally {
    stack.off('close', lost);
    // Should it settle after all, nobody is waiting any more.
    work.catch(() => undefined);
  }
}

/** What came in a dialog that is over, and waits for someone to listen, waits in vain: it is answered now (RFC 3261 §15.1.2, §12.2.2). */
export function refuseQueued(dialog: SipDialog): void {
  for (const { req, res } of (dialog as SipDialog & Queueing).queuedRequests.splice(0)) if (req.method !== 'ACK') res.send(req.method === 'BYE' ? 200 : 481);
}

/** Whether an error of createUAC is the far end's refusal, with its status. */
export function isRefusal(error: unknown): error is SipRefusal {
  return error instanceof Error && typeof (error as { status?: unknown }).status === 'number';
}
