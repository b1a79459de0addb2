import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { WabError } from '../../errors.js';
import type { IceCandidate } from '../../sdp/index.js';
import type { Remote } from '../relay/messages.js';
import { controlledCheck } from './stun.js';
import { udpFamily } from '../../util/hostPort.js';

/**
 * When to nudge, milliseconds after FreeSWITCH got Meta's description. As the DTLS client it begins in the controlled role: not before
 * Meta's 487 to its first check is there, or it checks again in the role it is about to leave; and before its second check, a second
 * after the first, as the answer to that begins DTLS. Others for those that are lost; none after ten seconds, when it would take the
 * nudger for its far end (INTEROP, "The nudge").
 */
const SCHEDULE = [600, 850, 1500, 2500, 4500];
/** As the DTLS server it controls from the start. */
const EARLIER = [50, 200];

/**
 * When to wake FreeSWITCH, which looks at its clock only when something comes, or every few seconds: for its first check at once, for
 * the second, which nominates, when it is due, and then for a DTLS hello that must be repeated.
 */
const WAKE = [0, 1010, 1100, ...Array.from({ length: 12 }, (_, i) => 1600 + 500 * i)];
/** What FreeSWITCH itself wakes its readers with; it is dropped. */
const PING = Buffer.alloc(4, 0xff);

/** Lower than any of Meta's, so that FreeSWITCH never prefers it. */
const PRIORITY = 1;

/** What a nudge has to show to FreeSWITCH. */
export interface Nudged {
  /** Where FreeSWITCH receives. */
  readonly at: Remote;
  /** FreeSWITCH's fragment and password, and Meta's fragment. */
  readonly ufrag: string;
  readonly pwd: string;
  readonly remoteUfrag: string;
  /** FreeSWITCH is the DTLS server. */
  readonly server: boolean;
}

/**
 * Brings FreeSWITCH to begin DTLS with an ICE-lite peer. It waits for a check of its far end's, and a lite one sends none (RFC 8445 §2.5):
 * a check from here, an address it was told as a relayed candidate, counts for it and moves nothing. One socket for all calls.
 */
export class Nudger {
  #socket: Socket | null = null;
  #address: Remote | null = null;

  /** `address`: ours, as FreeSWITCH sees it; never one that Meta's media comes from. @throws WabError 'CONFIG_INVALID' when it is none of ours. */
  async open(address: string): Promise<void> {
    const socket = this.#socket = createSocket(udpFamily(address));
    // What FreeSWITCH answers says nothing that we do not see elsewhere; errors are those of calls that have ended.
    socket.on('message', () => undefined);
    try {
      socket.bind(0, address);
      await once(socket, 'listening');
    } catch (cause) {
      throw new WabError('CONFIG_INVALID', `media.rtpengine.anchor: ${address} cannot be bound`, { cause });
    }
    socket.on('error', () => undefined);
    this.#address = { address, port: socket.address().port };
  }

  /** @throws WabError 'MEDIA_UNAVAILABLE' when it is not open. */
  get address(): Remote {
    if (this.#address === null) throw new WabError('MEDIA_UNAVAILABLE', 'the nudger is not open');
    return this.#address;
  }

  /** How it is told to FreeSWITCH, beside Meta's candidates. */
  get candidate(): IceCandidate {
    return { foundation: '99', component: 1, transport: 'udp', priority: PRIORITY, ...this.address, type: 'relay' };
  }

  /** Nudges from now on as long as it may be of use, or until the function given back is called. */
  nudge({ at, ufrag, pwd, remoteUfrag, server }: Nudged): () => void {
    const send = (packet: () => Buffer) => (ms: number): NodeJS.Timeout => setTimeout(() => this.#socket?.send(packet(), at.port, at.address, () => undefined), ms);
    const timers = [
      ...WAKE.map(send(() => PING)),
      ...[...(server ? EARLIER : []), ...SCHEDULE].map(send(() => controlledCheck({ username: `${ufrag}:${remoteUfrag}`, password: pwd, priority: PRIORITY }))),
    ];
    return () => { for (const timer of timers) clearTimeout(timer); };
  }

  close(): void {
    this.#socket?.close();
    this.#socket = null;
  }
}
