import { domainOf } from '../config/domains.js';
import type { PeerConfig } from '../config/types.js';
import { SHIPPED_RINGBACK } from '../media/index.js';
import type { MediaCall, PeerLeg } from '../media/types.js';
import { maskDigits } from '../observe/redact.js';
import { configuredCredentials } from '../sip/digestClient.js';
import type { SipDialog, SipHeaders, SipRequest, SipResponse, SipStack } from '../sip/drachtio.js';
import { headerFacts, wholeBody } from '../sip/drachtio.js';
import { parseReason, quotedString, requires } from '../sip/headers.js';
import { withUser } from '../routing/index.js';
import { parseUri } from '../sip/uri.js';
import { parseNameAddr } from '../sip/uri.js';
import { Bridge, chooseMusic } from './bridge.js';
import { beginCall, noEngine, overload } from './admission.js';
import { answerInvite, notAnswered, type Answer, type Arrived } from './answer.js';
import type { Call } from './call.js';
import { capabilities, demandsTooMuch, wentTooFar } from './peer/capabilities.js';
import type { BusinessInitiated } from './context.js';
import type { Caller } from './peer/identify.js';
import { ourContact } from './peer/locate.js';
import { mediaProfile } from './peer/mediaProfile.js';
import { inviteMeta, shareWithAll, storeCall, takeMeta, type Admitted } from './meta/invite.js';
import { isPermitted, permissionHeaders } from './permission.js';
import { retrySoon } from './peer/negotiation.js';
import { expireOn, refuseOnEnd, warningOf } from './refuse.js';
import { SessionTimer } from './peer/sessionTimer.js';
import type { WantedPlaces } from './limits.js';
import type { Place } from './table.js';
import { ended, statusForPeer, type Termination } from './termination.js';

/** An INVITE from a configured peer, outside any dialog: a call to a WhatsApp user (META-SIP §4). */
export function takeBusinessInitiated(context: BusinessInitiated, caller: Caller, req: SipRequest, res: SipResponse, stack: SipStack): void {
  const { config } = context.rules();
  const call = beginCall(context, 'business-initiated', { peer: caller.name, account: caller.account, peerCallId: req.get('Call-ID') ?? null });
  refuseOnEnd(call, res, statusForPeer, (termination) => ({
    // All of a refusal that Asterisk's dialplan can read, and FreeSWITCH's: one status has many causes (RFC 3261 §7.2: a phrase is for people).
    phrase: `${termination.by} ${termination.reason}`,
    // Meta's words reach the PBX (RFC 3261 §20.43; META-SIP §4.2).
    headers: termination.by === 'meta' ? { Warning: `399 ${config.domain} ${quotedString(termination.text)}` } : termination.by === 'us' ? warningOf(termination)
      : termination.by === 'policy' ? permissionHeaders(call.facts) : {},
  }));
  call.reliesOn(stack);
  call.runs(new BusinessInitiatedCall(context, call, caller, { req, res, stack }).run());
}

class BusinessInitiatedCall {
  readonly #context: BusinessInitiated;
  readonly #call: Call;
  readonly #peer: PeerConfig;
  readonly #peerName: string;
  readonly #req: SipRequest;
  readonly #res: SipResponse;
  readonly #stack: SipStack;
  readonly #timer = new SessionTimer();

  constructor(context: BusinessInitiated, call: Call, caller: Caller, { req, res, stack }: Arrived) {
    this.#context = context;
    this.#call = call;
    this.#peerName = caller.name;
    this.#peer = caller.config;
    this.#req = req;
    this.#res = res;
    this.#stack = stack;
  }

  async run(): Promise<void> {
    const call = this.#call;
    this.#req.on('cancel', (cancel: SipRequest) => {
      call.end(ended.peerGaveUp(parseReason(cancel.get('Reason'))?.text ?? null));
    });
    // RFC 3311 §5.2: before our answer an UPDATE may refresh, but its offer comes too early.
    this.#req.on('update', (update: SipRequest, response: SipResponse) => {
      if (update.body === '') response.send(200, { headers: capabilities });
      else response.send(500, { headers: retrySoon() });
    });
    const objection = demandsTooMuch(this.#req) ?? wentTooFar(this.#req);
    if (objection !== null) {
      this.#res.send(objection.status, { headers: objection.headers });
      call.end(ended.callerRefused(objection.status, objection.text));
      return;
    }
    const timer = this.#timer.take(this.#req);
    if (timer.tooSmall) {
      // RFC 4028 §9: the caller asks again with a longer interval; this attempt is over.
      this.#res.send(422, { headers: timer.headers });
      call.end(ended.callerRefused(422, 'the session interval is too small'));
      return;
    }
    const admitted = this.#admit();
    if (admitted === null) return;
    expireOn(call, this.#req, this.#res, ended.peerExpired());
    const { number, user, numberConfig, places } = admitted;
    if (numberConfig.permission !== 'off' && !await isPermitted(this.#context, call, number, user)) return;
    if (places.share !== null && !await shareWithAll(call, places.share)) return;

    const { mediaTimeout } = this.#context.rules().config.meta;
    const media = this.#context.media.openCall({ id: call.id, mediaTimeout });
    call.useMedia(media, mediaTimeout);
    const leg = media.addPeerLeg(mediaProfile(this.#context, this.#peer, { from: this.#req.source_address, transport: this.#req.protocol, account: this.#call.facts.account }));
    let offer: string;
    let forPeer: string;
    try {
      // RFC 3261 §13.2.1: an INVITE without an offer gets ours in the 200, and answers it in its ACK.
      [offer, forPeer] = await Promise.all([
        media.offerMeta({ keying: numberConfig.keying, g711: numberConfig.g711 }),
        this.#req.body === '' ? leg.offer() : leg.answer(this.#req.body),
      ]);
    } catch (error) {
      call.end(ended.byError(error));
      return;
    }
    if (call.over) return;
    await storeCall(this.#context, admitted);
    if (call.over) return;
    call.state = 'routing';
    const dialog = await inviteMeta(this.#context, call, { ...admitted, offer, ring: () => this.#ring(media, leg, forPeer) });
    if (dialog !== null) await this.#connect(dialog, media, leg, places.peerPlace, { sdp: forPeer, headers: timer.headers });
  }

  /** Policy, limits and engines; ends the call and gives null when one says no. */
  #admit(): Admitted | null {
    const call = this.#call;
    const { config, judgeCaller } = this.#context.rules();
    const end = (termination: Termination): null => {
      call.end(termination);
      return null;
    };
    const dialled = this.#dialled();
    if (dialled === null) return end(ended.byPolicy({ code: 'callee.alias', rule: 'callee.alias', status: 404, text: 'the alias that was dialled is nobody\'s' }));
    const facts = { peer: this.#peerName, ...dialled, headers: headerFacts(this.#req), body: wholeBody(this.#req) };
    const verdict = judgeCaller(facts);
    this.#context.onVerdict(call, facts, verdict);
    call.facts.rule = verdict.rule;
    if (!verdict.allow) {
      // The text may name the number that was dialled (house rule 8).
      const text = config.cdr.fullNumbers ? verdict.text : maskDigits(verdict.text, new Set(Object.keys(config.numbers)));
      return end(ended.byPolicy({ ...verdict, text }));
    }
    call.standing.set(this, facts);
    const { number, user } = verdict;
    Object.assign(call.facts, { number, user });
    call.introduce();
    const numberConfig = config.numbers[number];
    if (numberConfig === undefined) return end(ended.fault(`number ${number} is not configured`));
    const full = overload(this.#context);
    if (full !== null) return end(full);
    const places = this.#context.limits.take(call, { peer: this.#peerName, peerConfig: this.#peer, account: this.#account(), number, numberConfig, user });
    if (places.refused !== null) {
      return end(places.refused);
    }
    const mute = noEngine(this.#context);
    if (mute !== null) return end(mute);
    return { number, user, numberConfig, places };
  }

  /** The Request-URI, with the user whose alias it names, before policy reads that as a telephone number; null: the alias is nobody's. */
  #dialled(): { readonly uri: string; readonly alias?: string } | null {
    const { uri } = this.#req;
    const digits = parseUri(uri)?.user ?? '';
    if (this.#peer.bsuid === 'keep' || !this.#context.aliases.isAlias(digits)) return { uri };
    const user = this.#context.aliases.userOf(digits);
    return user === null ? null : { uri: withUser(uri, user), alias: digits };
  }

  #account(): WantedPlaces['account'] {
    const { account } = this.#call.facts;
    const config = account === null ? undefined : this.#peer.accounts[account];
    return account === null || config === undefined ? null : { user: account, config };
  }

  /** META-SIP §4.2: no early media from Meta. The PBX plays its own ringback at a 180, or ours at a 183 where it is configured so. */
  #ring(media: MediaCall, leg: PeerLeg, forPeer: string): void {
    // RFC 3262 §3: a caller that requires it gets reliable ones only; §5: without an offer to answer the first would have to carry ours, so
    // such a caller gets the 200 alone.
    const reliable = requires(this.#req, '100rel');
    if (reliable && this.#req.body === '') return;
    const headers: SipHeaders = reliable ? { Require: '100rel' } : {};
    // RFC 3261 §13.2.1: what answers an offer of ours cannot come before the ACK, so that without one there is nobody to send a tone to.
    if (!this.#peer.earlyMedia || this.#req.body === '') return this.#res.send(180, { headers });
    this.#res.send(183, { headers: { ...headers, Contact: ourContact('wa-b2bua', this.#req.protocol), 'Content-Type': 'application/sdp' }, body: forPeer });
    media.connect(leg);
    leg.play({ file: SHIPPED_RINGBACK, loop: true }).catch((error: Error) => this.#call.log.warn({ err: error.message }, 'the peer hears no ringing tone'));
  }

  async #connect(metaDialog: SipDialog, media: MediaCall, leg: PeerLeg, place: Place, { sdp, headers }: Pick<Required<Answer>, 'sdp' | 'headers'>): Promise<void> {
    const call = this.#call;
    if (!await takeMeta(call, media, metaDialog)) return;
    leg.play(null).catch((error: Error) => call.log.warn({ err: error.message }, 'the ringing tone towards the peer could not be stopped'));
    media.connect(leg);
    // "Meta still expects the business side to send the maiden SRTP packet" (META-SIP §6.2).
    media.start();
    let dialog: SipDialog;
    try {
      dialog = await answerInvite(this.#stack, this.#req, this.#res, {
        sdp, contact: ourContact('wa-b2bua', this.#req.protocol), headers: { ...headers, ...capabilities }, credentials: configuredCredentials(this.#peer.auth),
      });
    } catch (error) {
      call.end(notAnswered('the peer', error));
      return;
    }
    this.#bridge(media, dialog, leg, place);
    if (call.over) return;
    call.answered();
    call.log.info({ peer: this.#peerName, setupMs: call.setupMs }, 'call answered');
  }

  /** The caller is the first whom the user talks with; others may follow by transfer. */
  #bridge(media: MediaCall, dialog: SipDialog, leg: PeerLeg, place: Place): void {
    const { config } = this.#context.rules();
    const { number, user } = this.#call.facts;
    const music = chooseMusic(this.#peer.music, config.media.music);
    const bridge = new Bridge(this.#call, this.#context, media, {
      route: null, ringTimeout: config.meta.ringTimeout, music, transferSound: music,
      from: `<sip:${user ?? 'anonymous'}@${domainOf(config, number)}>`, headers: { 'X-WA-Number': number ?? '' }, record: this.#peer.record, siprec: this.#peer.siprec,
    });
    const caller = this.#call.facts.account ?? parseNameAddr(this.#req.get('From') ?? '')?.uri.user ?? '';
    bridge.connect(bridge.adopt({
      target: { peer: this.#peerName, user: caller, uri: caller === '' ? this.#peer.uri : withUser(this.#peer.uri, caller) },
      rule: this.#call.facts.rule ?? '', config: this.#peer, dialog, leg, place, timer: this.#timer, offeredIn: this.#req.body === '' ? this.#req : null,
    }));
  }
}
