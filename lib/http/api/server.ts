import fastify from 'fastify';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Logger } from '../../observe/logger.js';
import { listenWithin, type HttpServer } from '../listener.js';
import { readPair, renewed, type TlsFiles } from '../tlsFiles.js';
import { frameworkErrors, serve, strictChecks } from './app.js';
import { openApiOf } from './openapi.js';
import type { ApiRoute } from './route.js';
import { routesOf } from './routes.js';
import type { ApiSources } from './sources.js';
import { EventStreams } from './stream.js';
import { Doorkeeper, type ApiToken } from './tokens.js';

/** What one client, and all together, may take. Bytes, milliseconds. */
const maxHeadBytes = 16_384;
const maxBodyBytes = 65_536;
const maxParameter = 256;
const maxConnections = 1024;
const maxConnectionsPerAddress = 640;
const headTime = 5000;
const requestTime = 15_000;
const idleTime = 30_000;

export interface ApiOptions {
  /** address:port */
  readonly listen: string;
  /** Null: plain HTTP. */
  readonly tls: TlsFiles | null;
  readonly tokens: () => readonly ApiToken[];
  readonly log: Logger;
  /** Is told of a failure of ours that a request was answered with. */
  readonly onFault: (error: unknown) => void;
}

/** Serves the API. @throws WabError PORT_IN_USE, ADDRESS_UNUSABLE or CERTIFICATE_UNUSABLE */
export async function startApi({ listen, tls, tokens, log, onFault }: ApiOptions, sources: ApiSources): Promise<HttpServer> {
  const door = new Doorkeeper(tokens, (from) => log.warn({ from }, 'a wrong token was shown'));
  const streams = new EventStreams(sources.bus, (token, full) => door.isGood(token, full ? ['read', 'users'] : ['read']));
  const bounds = { maxHeaderSize: maxHeadBytes, headersTimeout: headTime, requestTimeout: requestTime, connectionsCheckingInterval: 1000, keepAliveTimeout: 2 * headTime };
  let stop = (): void => undefined;
  const app = fastify({
    logger: false, bodyLimit: maxBodyBytes, routerOptions: { maxParamLength: maxParameter, caseSensitive: true, ignoreTrailingSlash: false },
    ajv: strictChecks, frameworkErrors,
    serverFactory: (handle) => {
      if (tls === null) return createServer(bounds, handle);
      const secure = createTlsServer({ ...bounds, ...readPair('api.tls', tls), handshakeTimeout: headTime }, handle);
      stop = renewed(secure, tls);
      return secure;
    },
  });
  let described: object | null = null;
  const routes: readonly ApiRoute[] = routesOf(sources, streams, () => (described ??= openApiOf(routes, sources.version)));
  serve(app, routes, { admit: (request, scope) => door.admit(request, scope), fault: onFault });
  try {
    await app.ready();
    const server: Server = app.server;
    const listening = await listenWithin(server, { key: 'api.listen', listen, maxConnections, perAddress: maxConnectionsPerAddress, idleTime });
    return {
      address: listening.address,
      close: async () => {
        stop();
        streams.close();
        await listening.close();
      },
    };
  } catch (error) {
    stop();
    streams.close();
    throw error;
  }
}
