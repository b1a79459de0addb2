import { WabError } from '../../errors.js';
import { OFFERED_SUITES, readSdp, SDES_SUITE, writeSdp, type AudioSection, type EnginePort } from '../../sdp/index.js';
import type { Instance } from './instance.js';
import type { NgAnswer, NgCommand } from './ngClient.js';
import { withTimeout } from '../../util/withTimeout.js';

/** What rtpengine would offer by itself. */
const KNOWN_TO_ENGINE: readonly string[] = [
  'AES_CM_128_HMAC_SHA1_80',
  'AES_CM_128_HMAC_SHA1_32', 'AES_192_CM_HMAC_SHA1_80', 'AES_192_CM_HMAC_SHA1_32', 'AES_256_CM_HMAC_SHA1_80', 'AES_256_CM_HMAC_SHA1_32',
  'AEAD_AES_128_GCM', 'AEAD_AES_256_GCM', 'F8_128_HMAC_SHA1_80', 'F8_128_HMAC_SHA1_32', 'NULL_HMAC_SHA1_80', 'NULL_HMAC_SHA1_32',
];

/** Keeps every suite but those of our offers to peers out of the engine's: AES_CM_128_HMAC_SHA1_80 and _32, in this order. */
export const PEER_SUITES: readonly string[] = KNOWN_TO_ENGINE.filter((suite) => !OFFERED_SUITES.includes(suite)).map((suite) => `no-${suite}`);

/** Keeps every suite but AES_CM_128_HMAC_SHA1_80 out of the engine's offers, so that the one left has tag 1. */
export const ONE_SUITE: readonly string[] = KNOWN_TO_ENGINE.filter((suite) => suite !== SDES_SUITE).map((suite) => `no-${suite}`);

/** Wraps one audio section for the engine. */
export function engineSdp(audio: AudioSection): string {
  return writeSdp({ id: '1', version: 1, bundle: false, sections: [{ audio: { ...audio, mid: null } }] });
}

/** The audio section of what an engine gave back. @throws WabError 'MEDIA_REFUSED' when there is none. */
function engineAudio(answer: NgAnswer): AudioSection & EnginePort {
  const [section] = readSdp(String(answer['sdp'] ?? '')).sections;
  if (!section || !('audio' in section) || section.audio.port === 0) throw new WabError('MEDIA_REFUSED', 'the engine gave no audio port');
  return section.audio;
}

/** How long whoever closes a call waits for the engine, in milliseconds; it is told all the same. */
const CLOSE_PATIENCE = 3000;

/** One ng call with two sides, known by their tags. It may be offered and answered again. */
export class EngineCall {
  #open = false;
  #closing: Promise<void> | null = null;

  /** `lost` is called when the engine turns out to know nothing of a call that was made there. */
  constructor(readonly instance: Instance, readonly id: string, readonly flags: readonly string[], readonly lost: (reason: string) => void) {}

  offer(from: string, to: string | null, sdp: string, flags: NgCommand): Promise<AudioSection & EnginePort> {
    this.#open = true;
    return this.#exchange('offer', { 'from-tag': from, 'to-tag': to ?? undefined, sdp, ...flags });
  }

  answer(from: string, to: string, sdp: string, flags: NgCommand): Promise<AudioSection & EnginePort> {
    return this.#exchange('answer', { 'from-tag': from, 'to-tag': to, sdp, ...flags });
  }

  async #exchange(command: string, parameters: NgCommand): Promise<AudioSection & EnginePort> {
    if (this.#closing) throw new WabError('MEDIA_REFUSED', 'the leg was closed');
    // The engine rewrites addresses only; what it must not keep is replaced (rtpengine README, "replace").
    const answer = await this.instance.request(command, { 'call-id': this.id, replace: ['origin', 'session-connection'], flags: this.flags, ...parameters });
    if (!this.#closing) this.instance.holds(this);
    return engineAudio(answer);
  }

  /** The engine's figures of this call; null when it has none. */
  async query(): Promise<NgAnswer | null> {
    if (!this.#open || this.#closing) return null;
    return this.instance.request('query', { 'call-id': this.id }).catch(() => null);
  }

  /** Frees the engine's ports; may be called twice. What the engine counted must be asked for before: its answer to this says nothing. */
  close(): Promise<void> {
    this.#closing ??= this.#free();
    return this.#closing;
  }

  async #free(): Promise<void> {
    this.instance.lets(this);
    if (!this.#open) return;
    const freed = this.instance.free(this.id);
    // One that is slow is told until it answers, but nobody waits for that.
    if (this.instance.healthy) await withTimeout(freed, CLOSE_PATIENCE, () => undefined);
  }
}
