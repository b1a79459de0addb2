import type { Static, TObject, TSchema } from '@sinclair/typebox';
import type { ServerResponse } from 'node:http';
import type { ApiToken, Scope } from './tokens.js';

/** A request whose parts have been checked. */
export interface ApiRequest<P = unknown, Q = unknown, B = unknown> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly token: ApiToken;
  /** The token may see users' numbers. */
  readonly full: boolean;
  header(name: string): string | undefined;
}

/** JSON that is a text already, made for a terminal too (lib/observe/printable.ts): a large answer takes no time of the calls' thread. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export interface ApiReply {
  readonly status: number;
  /** JSON, or text or bytes of a route that gives those; left out: none. */
  readonly body?: object | string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a route gives with this status; null: an answer without a body, 'text': plain text. */
export type Answers = Readonly<Record<number, { readonly what: string; readonly schema: TSchema | 'text' | 'events' | 'pcapng' | null }>>;

/** One request of the API. */
export interface ApiRoute {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** As OpenAPI has it: /v1/calls/{id}. */
  readonly path: string;
  readonly summary: string;
  /** What a token must be good for; null: any token will do. */
  readonly scope: Scope | null;
  readonly params?: TObject;
  readonly query?: TObject;
  readonly headers?: TObject;
  readonly body?: TSchema;
  readonly answers: Answers;
  /** Has Meta asked: nothing for a page that everybody beside us may read. */
  readonly asksMeta?: true;
  readonly handle: (request: ApiRequest) => ApiReply | Promise<ApiReply>;
  /** Writes the answer itself, for as long as it lasts; `handle` has let it. */
  readonly stream?: (request: ApiRequest, response: ServerResponse) => void;
}

interface Typed<P extends TObject, Q extends TObject, B extends TSchema> extends Omit<ApiRoute, 'params' | 'query' | 'body' | 'handle' | 'stream'> {
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly handle: (request: ApiRequest<Static<P>, Static<Q>, Static<B>>) => ApiReply | Promise<ApiReply>;
  readonly stream?: (request: ApiRequest<Static<P>, Static<Q>, Static<B>>, response: ServerResponse) => void;
}

/** A route whose handler is given what its schemas say: the server has checked that before. */
export function route<P extends TObject, Q extends TObject, B extends TSchema>({ handle, stream, ...rest }: Typed<P, Q, B>): ApiRoute {
  type Checked = ApiRequest<Static<P>, Static<Q>, Static<B>>;
  return {
    ...rest, handle: (request) => handle(request as Checked),
    ...(stream === undefined ? {} : { stream: (request, response) => stream(request as Checked, response) }),
  };
}
