/**
 * The typed face of drachtio-fsmrf 4.1.2 and of drachtio-modesl 1.3.1 beneath it, which have no types: the part of them that this program uses.
 * Loaded when the first FreeSWITCH is: who has another media engine pays nothing for it.
 */
import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';

/** An event of FreeSWITCH. */
export interface SwitchEvent {
  getHeader(name: string): string | null;
}

/** drachtio-modesl's connection: an EventEmitter2, whose event names have parts between `::`. */
export interface EslConnection {
  /** null once it is closed. */
  readonly socket: Socket | null;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: string, listener: (event: SwitchEvent) => void): unknown;
  removeAllListeners(): unknown;
  subscribe(events: readonly string[], done: () => void): void;
  /** It connects no more. */
  disconnect(): void;
}

/** What a MediaServer tells of its FreeSWITCH; numbers are of the last HEARTBEAT, 0 or none before the first. */
export interface MediaServer extends EventEmitter {
  readonly sip: { readonly ipv4: { readonly udp: { readonly address?: string } } };
  readonly maxSessions: number;
  readonly currentSessions: number;
  readonly cpuIdle?: number;
  /** Where it listens for the connections of endpoints. */
  readonly _server: { close(): void };
  api(command: string, done: (body: string) => void): unknown;
  /** @throws TypeError before 'ready'. */
  disconnect(): void;
}

export interface Fsmrf {
  readonly Mrf: new (srf: object) => object;
  readonly MediaServer: new (
    connection: EslConnection, mrf: object, listenAddress: string, listenPort: number, advertisedAddress: undefined, advertisedPort: undefined, profile: string,
  ) => MediaServer;
  readonly Connection: new (host: string, port: number, secret: string, ready: () => void) => EslConnection;
}

interface Parser { readonly socket: Socket; readonly buffer: Buffer }

/** A frame larger than this is no answer to anything we ask, in bytes. */
const MAX_FRAME = 4 << 20;

const require = createRequire(import.meta.url);
let loaded: Fsmrf | null = null;

export function fsmrf(): Fsmrf {
  if (loaded !== null) return loaded;
  // The one that fsmrf itself has.
  const beneath = createRequire(require.resolve('drachtio-fsmrf'));
  // It keeps what never becomes a frame, and throws at an escape that is none, in a callback of the socket: what is no event socket must end as a connection.
  const { prototype } = beneath('drachtio-modesl/lib/esl/Parser') as { prototype: { _onData(this: Parser, data: Buffer): void } };
  const { _onData } = prototype;
  prototype._onData = function (data) {
    try {
      _onData.call(this, data);
      if (this.buffer.length > MAX_FRAME) this.socket.destroy(new Error('it sends more than can be an answer'));
    } catch (error) {
      this.socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  };
  loaded = {
    Mrf: require('drachtio-fsmrf') as Fsmrf['Mrf'],
    MediaServer: require('drachtio-fsmrf/lib/mediaserver') as Fsmrf['MediaServer'],
    Connection: (beneath('drachtio-modesl') as Pick<Fsmrf, 'Connection'>).Connection,
  };
  return loaded;
}
