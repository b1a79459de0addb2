import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SipHeaders } from '../../sip/drachtio.js';
import { WabError } from '../../errors.js';
import { writeSdp, type AudioSection, type SdesKey, type SdpCodec } from '../../sdp/index.js';
import type { Remote } from '../relay/messages.js';
import type { SideEvents } from '../session/sides.js';
import type { Channel, ChannelKind } from './channel.js';
import type { FreeswitchServer } from './server.js';

/** Discard (RFC 863): where a channel would send before it knows its far end. It is parked until then and sends nothing. */
export const NOWHERE = 9;

/** How often a channel is given its far end before we go on with what it makes of that, and how long it may take each time, in milliseconds. */
const MOVE_ATTEMPTS = 3;
const MOVED_WITHIN = [5, 5, 5, 5, 5, 10, 10, 20, 40, 60];

/** Two channels of one FreeSWITCH, joined: `outer` towards the world, `inner` towards our relay. */
export class ChannelPair {
  readonly #server: FreeswitchServer;
  readonly #local: Remote;
  readonly #events: SideEvents;
  #outer: Channel | null = null;
  /** The one in use last; those before it go when the two are joined. */
  readonly #inner: Channel[] = [];
  #version = 1;
  #closed = false;

  constructor(server: FreeswitchServer, local: Remote, events: SideEvents) {
    this.#server = server;
    this.#local = local;
    this.#events = events;
  }

  /** Makes the outer channel with this far end; null: not known yet, see `placeholder`. Gives its own section. */
  async openOuter(kind: ChannelKind, section: AudioSection, headers: SipHeaders = {}): Promise<AudioSection> {
    return (await this.#open(kind, section, headers, (channel) => { this.#outer = channel; })).audio;
  }

  /** Makes the inner channel, or another one for other codecs; join() puts it to use. Gives where the relay sends. */
  async openInner(kind: ChannelKind, codecs: readonly SdpCodec[]): Promise<AudioSection> {
    return (await this.#open(kind, plainSection(this.#local, codecs), {}, (channel) => this.#inner.push(channel))).audio;
  }

  async join(): Promise<void> {
    const [outer, inner] = [this.#outer, this.#inner.at(-1)];
    if (outer === null || inner === undefined) throw new WabError('MEDIA_REFUSED', 'the leg was closed');
    // Left alone, the one before hangs up by itself (hangup_after_bridge): that is no loss.
    for (const old of this.#inner.slice(0, -1)) old.ending();
    await this.#server.bridge(outer, inner);
    for (const old of this.#inner.splice(0, this.#inner.length - 1)) this.#server.hangUp(old);
  }

  /** Gives the outer channel its far end, or another one. What it offered for that must stand. */
  async moveOuter(section: AudioSection): Promise<void> {
    const outer = this.#outer;
    if (outer === null) throw new WabError('MEDIA_REFUSED', 'the leg was closed');
    const { address, port, sdes } = outer.audio;
    for (let tries = 0; tries < MOVE_ATTEMPTS; tries += 1) {
      this.#version += 1;
      await outer.modify(sectionSdp(section, this.#version), (command) => this.#server.api(command));
      if (await this.#sendsTo(section.port)) break;
    }
    const moved = outer.audio.address !== address || outer.audio.port !== port || outer.audio.sdes[0]?.key !== sdes[0]?.key;
    if (moved) throw new WabError('MEDIA_REFUSED', 'FreeSWITCH changed its port or its key in the middle of a negotiation');
  }

  /**
   * Whether the outer channel sends to this port by now. It does some 35 ms after our 200; joined before, it may keep the far end it had, and the
   * call is mute (1.10.12: one in ten behind a target that was busy).
   */
  async #sendsTo(port: number): Promise<boolean> {
    for (const wait of MOVED_WITHIN) {
      const sends = await this.ofOuter('remote_media_port');
      if (sends === null || Number(sends) === port) return true;
      await sleep(wait, undefined, { ref: false });
    }
    return false;
  }

  /** Gives the outer channel, which speaks DTLS, its far end, with a role of either kind. What it told of itself must stand. */
  async offerOuter(section: AudioSection): Promise<void> {
    const outer = this.#outer;
    if (outer === null) throw new WabError('MEDIA_REFUSED', 'the leg was closed');
    const { address, port, ice } = outer.audio;
    this.#version += 1;
    await outer.offer(sectionSdp(section, this.#version));
    const moved = outer.audio.address !== address || outer.audio.port !== port || outer.audio.ice?.ufrag !== ice?.ufrag || outer.audio.ice?.pwd !== ice?.pwd;
    if (moved) throw new WabError('MEDIA_REFUSED', 'FreeSWITCH changed its port or its ICE credentials in the middle of a negotiation');
  }

  /** A variable of the outer channel; null: it has none of this name, or is gone. */
  async ofOuter(variable: string): Promise<string | null> {
    const value = this.#outer === null ? '' : (await this.#server.api(`uuid_getvar ${this.#outer.uuid} ${variable}`)).trim();
    return value === '' || value === '_undef_' ? null : value;
  }

  /** How many packets came to the outer channel; null: it is gone. */
  async packetsOfOuter(): Promise<number | null> {
    if (this.#outer === null) return null;
    await this.#server.api(`uuid_set_media_stats ${this.#outer.uuid}`);
    const count = await this.ofOuter('rtp_audio_in_packet_count');
    return count === null ? null : Number(count);
  }

  async setOuter(variable: string, value: string): Promise<void> {
    if (this.#outer !== null) await this.#server.api(`uuid_setvar ${this.#outer.uuid} ${variable} ${value}`);
  }

  sendDigit(digit: string, durationMs: number): void {
    if (this.#outer === null) return;
    this.#server.api(`uuid_send_dtmf ${this.#outer.uuid} ${digit}@${Math.round(durationMs)}`).catch(() => { /* the channel has ended */ });
  }

  async #open(kind: ChannelKind, section: AudioSection, headers: SipHeaders, keep: (channel: Channel) => void): Promise<Channel> {
    const channel = await this.#server.open(kind, sectionSdp(section, this.#version), {
      gone: (reason) => this.#events.lost(reason),
      digit: (digit, durationMs) => this.#events.digit(digit, durationMs),
    }, headers);
    if (this.#closed) {
      this.#server.hangUp(channel);
      throw new WabError('MEDIA_REFUSED', 'the leg was closed');
    }
    keep(channel);
    return channel;
  }

  close(): Promise<void> {
    this.#closed = true;
    for (const channel of this.#inner.splice(0)) this.#server.hangUp(channel);
    if (this.#outer !== null) this.#server.hangUp(this.#outer);
    this.#outer = null;
    return Promise.resolve();
  }
}

function sectionSdp(audio: AudioSection, version: number): string {
  return writeSdp({ id: '1', version, bundle: false, sections: [{ audio: { ...audio, mid: null, direction: 'sendrecv' } }] });
}

/** Plain RTP with the relay. */
function plainSection(local: Remote, codecs: readonly SdpCodec[]): AudioSection {
  return {
    address: local.address, port: local.port, protocol: 'RTP/AVP', direction: 'sendrecv', rtcpMux: false, mid: null, codecs,
    ptime: 20, maxptime: null, sdes: [], ice: null, dtls: null,
  };
}

/**
 * A far end that is not known yet, so that FreeSWITCH gives a port (and a key) to offer. An INVITE without SDP would do the same, but
 * its offer goes out before the dialplan can ask for SRTP.
 */
export function placeholder(local: Remote, codecs: readonly SdpCodec[], secure: boolean, rtcpMux: boolean): AudioSection {
  return { ...plainSection({ ...local, port: NOWHERE }, codecs), protocol: secure ? 'RTP/SAVP' : 'RTP/AVP', sdes: secure ? [newKey()] : [], rtcpMux };
}

/** A far end as it is, but for its address. */
export function unreachable(local: Remote, section: AudioSection): AudioSection {
  return { ...section, address: local.address, port: NOWHERE };
}

/** RFC 4568 §6.2: 30 octets of master key and salt. */
function newKey(): SdesKey {
  return { tag: 1, suite: 'AES_CM_128_HMAC_SHA1_80', key: randomBytes(30).toString('base64') };
}
