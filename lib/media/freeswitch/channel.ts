import { randomUUID } from 'node:crypto';
import { WabError } from '../../errors.js';
import { readSdp, type AudioSection } from '../../sdp/index.js';
import { deliver, isRefusal, whileConnected, type SipDialog, type SipHeaders, type SipRequest, type SipResponse, type SipStack } from '../../sip/drachtio.js';
import { hangUp } from '../../sip/inDialog.js';
import { withPatience } from '../../util/withTimeout.js';

/** What a channel is for: an extension of freeswitch/dialplan/wa-b2bua.xml. */
export type ChannelKind = 'meta' | 'webrtc' | 'relay' | 'peer';

/** How long FreeSWITCH may take to answer an INVITE of ours, in milliseconds. */
const ANSWER_PATIENCE = 4000;

export interface ChannelEvents {
  /** FreeSWITCH hung up by itself. */
  gone(reason: string): void;
  /** A digit heard there, where the dialplan does not pass them through; duration in milliseconds. */
  digit(digit: string, durationMs: number): void;
}

/**
 * One channel of FreeSWITCH, made by an INVITE of ours and kept as a plain SIP dialog. Not an Endpoint of drachtio-fsmrf: its createEndpoint throws at
 * RTP/SAVP and takes five times as long for a plain channel at ten at a time, its destroy() of a joined one never comes back, and each needs a connection from
 * FreeSWITCH to a port of ours that knows no password (docs/engines/production.md has the figures).
 */
export class Channel {
  readonly uuid: string;
  /** Its audio section, as it answered last. */
  audio: AudioSection;
  readonly #dialog: SipDialog;
  #ended = false;

  private constructor(uuid: string, dialog: SipDialog, audio: AudioSection, events: ChannelEvents) {
    this.uuid = uuid;
    this.#dialog = dialog;
    this.audio = audio;
    dialog.on('destroy', () => {
      if (this.#ended) return;
      this.#ended = true;
      events.gone('FreeSWITCH hung up');
    });
    deliver(dialog);
  }

  /**
   * `target`: host:port of the SIP profile. The channel's uuid is the Call-ID (inbound-use-callid-as-uuid).
   * @throws WabError 'MEDIA_UNAVAILABLE' when it is full or does not answer, 'MEDIA_REFUSED' when it refuses the description.
   */
  static async open(stack: SipStack, target: string, kind: ChannelKind, sdp: string, headers: SipHeaders, events: ChannelEvents, onUuid: (uuid: string) => void): Promise<Channel> {
    const uuid = randomUUID();
    onUuid(uuid);
    const made = whileConnected(stack, stack.createUAC(`sip:${kind}@${target};transport=udp`, {
      localSdp: sdp,
      headers: {
        ...headers, From: '<sip:wa-b2bua@localhost>', To: `<sip:${kind}@${target}>`, Contact: '<sip:wa-b2bua@localhost>',
        'Call-ID': uuid, 'Content-Type': 'application/sdp',
      },
    }, { cbRequest: () => undefined, cbProvisional: () => undefined }));
    try {
      const dialog = await inTime(target, made);
      return new Channel(uuid, dialog, audioOf(dialog.remote.sdp), events);
    } catch (error) {
      // It may be answered after all: nobody wants it then.
      made.then((dialog) => hangUp(dialog, {})).catch(() => undefined);
      throw error;
    }
  }

  /**
   * Gives the channel a new far end. FreeSWITCH makes the offer, for which `ask` tells it to: to an offer of ours with another key it
   * would change its own without a word, which has been told to the other side.
   * @throws as open.
   */
  async modify(answer: string, ask: (command: string) => Promise<string>): Promise<void> {
    let take: (request: SipRequest, response: SipResponse) => void = () => undefined;
    const offered = new Promise<string>((resolve) => {
      take = (request, response) => {
        response.send(200, { headers: { 'Content-Type': 'application/sdp' }, body: answer });
        resolve(request.body);
      };
      this.#dialog.once('modify', take);
    });
    try {
      await ask(`uuid_media_reneg ${this.uuid}`);
      this.audio = audioOf(await inTime('its channel', whileConnected(this.#dialog.srf, offered)));
    } finally {
      this.#dialog.off('modify', take);
    }
  }

  /** Gives the channel a new description of its far end. @throws as open. */
  async offer(sdp: string): Promise<void> {
    this.audio = audioOf(await inTime('its channel', whileConnected(this.#dialog.srf, this.#dialog.modify(sdp))));
  }

  /** We are hanging it up: its BYE is no news. */
  ending(): void {
    this.#ended = true;
  }
}

function audioOf(sdp: string): AudioSection {
  const [section] = readSdp(sdp).sections;
  if (!section || !('audio' in section) || section.audio.port === 0) throw new WabError('MEDIA_REFUSED', 'FreeSWITCH gave no audio port');
  return section.audio;
}

async function inTime<T>(whom: string, work: Promise<T>): Promise<T> {
  try {
    return await withPatience(work, ANSWER_PATIENCE, () => {
      throw new WabError('MEDIA_UNAVAILABLE', `FreeSWITCH ${whom} does not answer an INVITE`);
    });
  } catch (error) {
    if (error instanceof WabError || !isRefusal(error)) throw error;
    // 503 and 480 are FreeSWITCH's answers at max-sessions or sessions-per-second; 408 is the SIP server's when nobody answers.
    const full = error.status === 503 || error.status === 480 || error.status === 408 || error.status === 486;
    throw new WabError(full ? 'MEDIA_UNAVAILABLE' : 'MEDIA_REFUSED', `FreeSWITCH ${whom} answers an INVITE with ${error.status} ${error.reason ?? ''}`, { cause: error });
  }
}
