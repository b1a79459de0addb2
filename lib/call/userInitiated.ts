import { setTimeout as sleep } from 'node:timers/promises';
import { domainOf } from '../config/domains.js';
import type { Config, NumberConfig } from '../config/types.js';
import type { MediaCall } from '../media/types.js';
import type { RouteDecision } from '../routing/types.js';
import { credentialsOf } from '../sip/credentials.js';
import type { SipDialog, SipHeaders, SipRequest, SipResponse, SipStack } from '../sip/drachtio.js';
import { parseReason, peerHeaders, quotedString } from '../sip/headers.js';
import { SHIPPED_RINGBACK } from '../media/index.js';
import { Bridge, chooseMusic } from './bridge.js';
import { beginCall, noEngine, overload } from './admission.js';
import { answerInvite, notAnswered, type Arrived } from './answer.js';
import type { Call } from './call.js';
import { oneHopLess, wentTooFar } from './peer/capabilities.js';
import type { UserInitiated } from './context.js';
import { attachMetaDialog } from './meta/dialog.js';
import { readMetaRequest, type MetaRequest } from './meta/request.js';
import { expireOn, refuseOnEnd } from './refuse.js';
import { sharedKeys, takeShared } from './sharedPlaces.js';
import { ended, statusForMeta, type Termination } from './termination.js';
import { teeCall } from '../voice/agents/tee.js';
import { refusal, runFlow } from '../voice/flow.js';
import { KeyPad } from '../voice/keyPad.js';

/** An INVITE from Meta, outside any dialog, on one SIP server's connection. */
export function takeUserInitiated(context: UserInitiated, req: SipRequest, res: SipResponse, stack: SipStack): void {
  const request = readMetaRequest(req);
  const { config } = context.rules();
  const number = numberOf(config, request);
  if (number !== null && !authenticate(context, request, number, req, res)) return;

  const call = begin(context, request);
  call.reliesOn(stack);
  call.runs(new UserInitiatedCall(context, call, request, { req, res, stack }).run(number));
}

/** A number of the configuration that was called. */
interface CalledNumber { readonly name: string; readonly config: NumberConfig }

function numberOf(config: Config, { number: name }: MetaRequest): CalledNumber | null {
  const found = name === null ? undefined : config.numbers[name];
  return name === null || found === undefined ? null : { name, config: found };
}

/** Digest (META-SIP §5.2): true when the caller is Meta, else the challenge or refusal has been sent. */
function authenticate(context: UserInitiated, request: MetaRequest, number: CalledNumber, req: SipRequest, res: SipResponse): boolean {
  if (context.rules().config.meta.challenge.length === 0) return true;
  const digits = number.name.slice(1);
  // Any of Meta's machines may answer what another was asked.
  const bound = { callId: request.callId, place: '' };
  const shown = context.digest.read(credentialsOf(req), bound);
  const verdict = shown.judgeable ? context.digest.verify(shown, 'INVITE', (username) => (username === digits || username === `+${digits}` ? number.config.password : null)) : shown.reason;
  if (verdict === 'right') return true;
  const stale = verdict === 'stale' || verdict === 'replayed';
  if (stale || verdict === 'missing' || verdict === 'otherRealm' || (shown.judgeable && !shown.proven)) {
    // One header line an algorithm (RFC 8760 §2.4); drachtio-srf writes a value as it is, so the line break makes two.
    res.send(407, { headers: { 'Proxy-Authenticate': context.digest.challenge(bound, stale).join('\r\nProxy-Authenticate: ') } });
    return false;
  }
  const call = begin(context, request);
  refuseOnEnd(call, res, statusForMeta);
  call.log.error({ number: number.name, why: verdict, source: req.source_address },
    `Meta's credentials for ${number.name} are wrong: compare numbers."${number.name}".password with sip_user_password at Meta`);
  call.end(ended.byPolicy({ code: 'auth.failed', rule: 'digest', status: 403, text: `digest refused: ${verdict}` }));
  return false;
}

function begin(context: UserInitiated, request: MetaRequest): Call {
  return beginCall(context, 'user-initiated', {
    number: request.number, user: request.user, metaCallId: request.callId, wacid: request.headers.wacid,
    payload: request.payload, country: request.headers.countryCode,
  });
}

class UserInitiatedCall {
  readonly #context: UserInitiated;
  readonly #call: Call;
  readonly #request: MetaRequest;
  readonly #req: SipRequest;
  readonly #res: SipResponse;
  readonly #stack: SipStack;
  #ringing = false;
  /** The 200 to Meta, once it is to be sent; true when Meta's dialog stands. */
  #answering: Promise<boolean> | null = null;

  constructor(context: UserInitiated, call: Call, request: MetaRequest, { req, res, stack }: Arrived) {
    this.#context = context;
    this.#call = call;
    this.#request = request;
    this.#req = req;
    this.#res = res;
    this.#stack = stack;
  }

  async run(called: CalledNumber | null): Promise<void> {
    const call = this.#call;
    refuseOnEnd(call, this.#res, statusForMeta);
    this.#req.on('cancel', (cancel: SipRequest) => {
      call.end(ended.userGaveUp(parseReason(cancel.get('Reason'))?.text ?? null));
    });

    const objection = wentTooFar(this.#req);
    if (objection !== null) return call.end(ended.metaRefused(objection.status, objection.text));
    const admitted = this.#admit(called);
    if (admitted === null) return;
    const { decision, number } = admitted;
    if (this.#context.shared !== null && !await this.#share(this.#context.shared, number)) return;
    expireOn(call, this.#req, this.#res, ended.metaExpired());
    call.state = 'routing';
    call.facts.route = decision.route;
    if (decision.hours?.open === false) call.facts.closed = decision.hours.name;
    // Nothing is to be heard: no ports are taken.
    if (decision.destination.kind === 'refuse') return call.end(refusal(decision.destination, decision));

    const { mediaTimeout } = this.#context.rules().config.meta;
    const media = this.#context.media.openCall({ id: call.id, mediaTimeout });
    call.useMedia(media, mediaTimeout);
    const answer = media.answerMeta(this.#request.offer, { keying: number.config.keying });
    // Awaited by the hunt before it rings anyone; a hunt that rings nobody must not leave its failure unhandled.
    answer.catch(() => undefined);
    const { config } = this.#context.rules();
    const route = config.routes.find(({ name }) => name === decision.route);
    // Routes and configuration are replaced together.
    if (route === undefined) return call.end(ended.fault(`route ${decision.route} is not there`));
    teeCall(this.#context, call, media, route);
    const music = chooseMusic(route.music, config.media.music);
    const bridge = new Bridge(call, this.#context, media, {
      route: decision.route, ringTimeout: decision.ringTimeout, music, ...this.#face(number.name),
      transferSound: route.transferSound === 'ringback' ? SHIPPED_RINGBACK : music, record: route.record, siprec: route.siprec,
    });
    const accepting = (): boolean => this.#answering !== null;
    await runFlow({
      call, context: this.#context, media, bridge, config, route, keys: new KeyPad(media), ready: answer,
      get accepted() { return accepting(); },
      accept: () => this.#answer(media, answer), heard: () => this.#heard(media), ring: () => this.#ring(),
    }, decision);
  }

  /** How peers see the user. */
  #face(number: string): { from: string; headers: SipHeaders } {
    const domain = domainOf(this.#context.rules().config, number);
    const user = /^[+\w.-]+$/.test(this.#request.user) ? this.#request.user : 'anonymous';
    const display = this.#request.headers.userName ?? this.#request.displayName;
    return {
      from: `${display === null ? '' : `${quotedString(display)} `}<sip:${user}@${domain}>`,
      headers: { ...peerHeaders(this.#request.headers, number), ...oneHopLess(this.#req) },
    };
  }

  /** The gates before any work is done: number, limits, engines, route. Ends the call and gives null when one is shut. */
  #admit(number: CalledNumber | null): { readonly decision: Extract<RouteDecision, { found: true }>; readonly number: CalledNumber } | null {
    const call = this.#call;
    const { selectRoute } = this.#context.rules();
    const end = (termination: Termination): null => {
      call.end(termination);
      return null;
    };
    const deny = (code: string, status: number, text: string): null => end(ended.byPolicy({ code, rule: code, status, text }));
    if (number === null) return deny('number.unknown', 404, 'no such number is configured');
    if (this.#request.offer === '') return deny('offer.missing', 488, 'the INVITE carries no offer');
    const full = overload(this.#context);
    if (full !== null) return end(full);
    const place = this.#context.table.takeNumber(number.name, number.config.maxConcurrentCalls);
    if (place === null) return end(ended.numberFull(number.name, number.config.maxConcurrentCalls));
    this.#context.userNames.learn(this.#request.user, this.#request.headers.userId, this.#request.headers.parentUserId);
    // Never refused here: it is Meta's to keep a user to one call. A business-initiated call has to wait for it.
    const pair = this.#context.table.takePair(number.name, this.#context.userNames.keyOf(this.#request.user), Infinity);
    call.own(() => {
      place.release();
      pair?.release();
    });
    const mute = noEngine(this.#context);
    if (mute !== null) return end(mute);
    const decision = selectRoute({ number: number.name, user: this.#request.user, payload: this.#request.payload, time: Date.now() });
    return decision.found ? { decision, number } : deny('route.none', 404, 'no route takes this call');
  }

  /** What this node has given, of all nodes too. False: the call has ended. */
  async #share(shared: NonNullable<UserInitiated['shared']>, { name, config: { maxConcurrentCalls } }: CalledNumber): Promise<boolean> {
    const call = this.#call;
    const [place, pair] = [sharedKeys.number(name), sharedKeys.pair(name, this.#context.userNames.keyOf(this.#request.user))];
    const full = (): Termination => ended.numberFull(name, maxConcurrentCalls);
    const taken = await takeShared(shared, [{ keys: [place], limit: maxConcurrentCalls, window: null, refuse: full }, { keys: [pair], limit: Infinity, window: null, refuse: full }]);
    if (taken.refused === null) call.own(() => taken.lease.give(place, pair));
    else call.end(taken.refused);
    return !call.over;
  }

  /** Resolves when the user's side is there to hear: on a dtls number keys are agreed after the answer. At the latest after 1.5 s. */
  async #heard(media: MediaCall): Promise<void> {
    for (let tries = 0; tries < 30 && !this.#call.over && (await media.stats()).meta.packetsIn === 0; tries += 1) await sleep(50);
  }

  /** 18x of any peer becomes one 180; early media stays on our side (DESIGN step 4) unless the route says otherwise. */
  #ring(): void {
    if (this.#ringing || this.#answering !== null || this.#call.over) return;
    this.#ringing = true;
    this.#call.state = 'ringing';
    this.#res.send(180);
  }

  /** Answers Meta, once, whoever asks for it first. False when the call is over. */
  async #answer(media: MediaCall, answer: Promise<string>): Promise<boolean> {
    this.#answering ??= answer.then((sdp) => this.#sendAnswer(media, sdp), (error: unknown) => {
      this.#call.end(ended.byError(error));
      return false;
    });
    return this.#answering;
  }

  async #sendAnswer(media: MediaCall, answer: string): Promise<boolean> {
    const call = this.#call;
    if (call.over) return false;
    const { number } = this.#request;
    const password = number === null ? undefined : this.#context.rules().config.numbers[number]?.password;
    let dialog: SipDialog;
    try {
      dialog = await answerInvite(this.#stack, this.#req, this.#res, {
        sdp: answer, contact: `<sip:${number}@${this.#context.metaContactHost(this.#stack, number)};transport=tls>`,
        credentials: number === null || password === undefined ? null : { username: number.slice(1), password },
      });
    } catch (error) {
      call.end(notAnswered('Meta', error));
      return false;
    }
    attachMetaDialog(call, dialog);
    if (call.over) return false;
    call.answered();
    call.tell({ type: 'answered', leg: 'meta' });
    // Meta waits for our first packet (META-SIP §6.2), and may get none before the 200 (§5).
    media.start();
    return true;
  }
}
