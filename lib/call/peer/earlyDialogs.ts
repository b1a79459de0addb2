import type { PeerLeg } from '../../media/types.js';
import type { SipRequest, SipResponse } from '../../sip/drachtio.js';
import { supports, tagOf } from '../../sip/headers.js';
import type { Call } from '../call.js';
import { capabilities, demandsTooMuch } from './capabilities.js';
import type { Hunting } from '../context.js';
import type { EarlyMedia, Won } from '../hunt/plan.js';
import { retrySoon } from './negotiation.js';
import { warningOfError } from '../refuse.js';
import { Serial } from '../../util/serial.js';

/** Early dialogs of one INVITE that are kept: a proxy forks to the devices of one user. */
const maxForks = 16;

/** One fork of an INVITE of ours (RFC 3261 §12.1.2). */
interface Fork {
  /** Its answer to our offer in a reliable response, which the 2xx need not repeat (RFC 6337 §2.2); else null. */
  answer: string | null;
  /** An UPDATE has changed what that answer said. */
  updated: boolean;
  readonly forget: () => void;
}

interface EarlyDialogUser {
  readonly leg: PeerLeg;
  /** Told of early media that the user is to hear; null: none is heard before the answer. */
  readonly media: EarlyMedia | null;
  /** Somebody picked the call up; false: too late. */
  readonly giveTo: (newcomer: Won) => boolean;
}

/** The early dialogs of one INVITE to a peer: their answers, their UPDATEs, their early media, and that they can be picked up. */
export class EarlyDialogs {
  readonly #call: Call;
  readonly #context: Pick<Hunting, 'rules' | 'onVerdict' | 'dialogs'>;
  readonly #peer: string;
  readonly #leg: PeerLeg;
  readonly #media: EarlyMedia | null;
  readonly #giveTo: (newcomer: Won) => boolean;
  readonly #forks = new Map<string, Fork>();
  #updating = false;
  #heard = false;
  /** Answers are taken in the order in which they came. */
  readonly #work = new Serial();

  constructor(call: Call, context: Pick<Hunting, 'rules' | 'onVerdict' | 'dialogs'>, peer: string, { leg, media, giveTo }: EarlyDialogUser) {
    this.#call = call;
    this.#context = context;
    this.#peer = peer;
    this.#leg = leg;
    this.#media = media;
    this.#giveTo = giveTo;
  }

  /** A provisional response; `localTag` is that of our From. */
  provisional(callId: string, localTag: string, response: SipResponse): void {
    const remoteTag = tagOf(response.get('To'));
    if (remoteTag === null) return;
    let fork = this.#forks.get(remoteTag);
    if (fork === undefined) {
      // The embedded server has the same bound; drachtio-server has none.
      if (this.#forks.size >= maxForks) return;
      const forget = this.#context.dialogs.add({ callId, localTag, remoteTag, early: true, peer: this.#peer, call: this.#call, ask: null, giveTo: this.#giveTo });
      this.#forks.set(remoteTag, fork = { answer: null, updated: false, forget });
    }
    if (response.body === '') return;
    const reliable = supports(response, '100rel') && response.has('RSeq');
    // RFC 3262 §5: the answer is the one in the first reliable response; an unreliable one is only a preview of it.
    if (reliable && fork.answer === null) fork.answer = response.body;
    if (reliable || this.#media !== null) this.#take(response.body);
  }

  /** An UPDATE in one of them (RFC 3311 §5.2). */
  async update(request: SipRequest, response: SipResponse): Promise<void> {
    const objection = demandsTooMuch(request);
    if (objection !== null) return response.send(objection.status, { headers: objection.headers });
    const headers = capabilities;
    if (request.body === '') return response.send(200, { headers });
    const fork = this.#forks.get(tagOf(request.get('From')) ?? '');
    // Our own offer is open until a reliable response has answered it.
    if (fork === undefined || fork.answer === null) return response.send(491);
    if (this.#updating) return response.send(500, { headers: retrySoon() });
    this.#updating = true;
    try {
      await this.#work.idle();
      const body = await this.#leg.answer(request.body);
      fork.updated = true;
      response.send(200, { headers: { ...headers, 'Content-Type': 'application/sdp' }, body });
    } catch (error) {
      this.#call.log.warn({ err: (error as Error).message }, 'an offer of a ringing peer was refused');
      response.send(488, { headers: warningOfError(error) });
    } finally {
      this.#updating = false;
    }
  }

  /** What the answered fork's 2xx means for the media: its answer, or an earlier one; null when the media stands already. */
  async answerOf(remoteTag: string, sdp: string): Promise<string | null> {
    await this.#work.idle();
    const fork = this.#forks.get(remoteTag);
    if (fork?.updated === true) return null;
    return sdp === '' ? fork?.answer ?? '' : sdp;
  }

  /** The INVITE is over. `answered`: one of the forks has the call. */
  close(answered: boolean): void {
    for (const fork of this.#forks.values()) fork.forget();
    if (this.#heard && !answered) this.#media?.lost(this.#leg);
  }

  #take(answer: string): void {
    void this.#work.run(async () => {
      await this.#leg.takeAnswer(answer);
      // Who says that it does not send has no announcement.
      if (this.#media === null || this.#call.over || this.#leg.flow?.sends !== true) return;
      this.#heard = true;
      this.#media.begun(this.#leg);
    }).catch((error: Error) => {
      // The 2xx may still bring one that can be used.
      this.#call.log.info({ err: error.message }, 'early media of a peer cannot be used');
    });
  }
}
