import type { ToldCalls } from '../call/meta/told.js';
import type { Config } from '../config/types.js';
import { parseJson, record } from '../graph/json.js';
import { Forwarder, type Forwarded } from '../graph/webhook/forwarder.js';
import { readWebhook, type ToldEvent, type ToldNumber } from '../graph/webhook/reading.js';
import { Voicemails } from '../graph/webhook/voicemail.js';
import type { HttpServer } from '../http/listener.js';
import { startWebhooks, type WebhookOutcome } from '../http/webhooks.js';
import type { Logger } from '../observe/logger.js';
import type { Calls } from './calls.js';
import type { Start } from './start.js';
import type { State } from './state.js';

/** Names of one webhook that are shown in the log. */
const mostShown = 20;
/** A fault of senders is told so often at most, ms. */
const tellEvery = 60_000;

/** What of the calls webhooks tell of. */
type WebhookParts = Pick<Calls, 'metrics' | 'permissions' | 'told' | 'graph' | 'settings'>;

/** Takes Meta's webhooks; null where none are wanted. @throws WabError PORT_IN_USE, ADDRESS_UNUSABLE or CERTIFICATE_UNUSABLE */
export async function openWebhooks({ config, log, undo }: Start, state: State, { metrics, permissions, told, graph, settings }: WebhookParts): Promise<HttpServer | null> {
  const { webhooks } = config;
  if (webhooks === null || told === null) return null;
  const part = log.child({ part: 'webhooks' });
  const voicemails = webhooks.voicemail === null ? null : new Voicemails({
    directory: webhooks.voicemail, api: graph, store: state.voicemails, log: part, stored: ({ number, user, wacid }, file) => state.news.voicemail(number, user, wacid, file),
  });
  const forwarders = webhooks.forward.map((url) => new Forwarder(url, { log: part, onOutcome: (outcome) => metrics.forwarded(outcome) }));
  const news = new News({ state, told, ledger: permissions.ledger, voicemails, log: part, warned: (number, type) => metrics.numberWarned(number, type), changed: (number) => settings.look(number) });
  undo.push(() => { voicemails?.close(); for (const forwarder of forwarders) forwarder.close(); });
  const server = await startWebhooks({
    listen: webhooks.listen, path: webhooks.path, secrets: webhooks.appSecret, verifyToken: webhooks.verifyToken, tls: webhooks.tls,
    take: async (one) => {
      await news.take(one);
      // Unchanged, whatever is in it: the signature is Meta's.
      for (const forwarder of forwarders) forwarder.send(one);
    },
    onOutcome: tellOf(part, (outcome) => metrics.webhook(outcome)),
  });
  undo.push(() => server.close());
  voicemails?.resume();
  part.info({ address: server.address, path: webhooks.path }, "Meta's webhooks are taken");
  return server;
}

/** Counts every outcome; tells of what is wrong now and then, as anybody may send. */
function tellOf(log: Logger, count: (outcome: WebhookOutcome) => void): (outcome: WebhookOutcome, from: string) => void {
  const words: Partial<Record<WebhookOutcome, string>> = {
    badSignature: 'a webhook without a good signature was refused: if it is of Meta, compare webhooks.appSecret with the secret of the app', tooLarge: 'a webhook that is too large was refused',
    badVerification: 'a verification with another token was refused: compare webhooks.verifyToken with what is set at Meta', failed: 'a webhook could not be taken for a reason of our own',
  };
  const last = new Map<WebhookOutcome, number>();
  return (outcome, from) => {
    count(outcome);
    const text = words[outcome];
    if (outcome === 'verified') log.info({ from }, 'Meta has verified the address of the webhooks');
    if (text === undefined || Date.now() - (last.get(outcome) ?? 0) < tellEvery) return;
    last.set(outcome, Date.now());
    log.warn({ from }, text);
  };
}

interface NewsParts {
  readonly state: State;
  readonly told: ToldCalls;
  readonly ledger: Calls['permissions']['ledger'];
  readonly voicemails: Voicemails | null;
  readonly log: Logger;
  readonly warned: (number: string, type: string) => void;
  readonly changed: (number: string) => void;
}

/** Hands what webhooks tell to whom it concerns. */
class News {
  readonly #parts: NewsParts;

  constructor(parts: NewsParts) {
    this.#parts = parts;
  }

  /** Resolves when what it says would survive the death of this process. */
  async take({ body }: Forwarded): Promise<void> {
    let events: readonly ToldEvent[];
    try {
      events = readWebhook(record(parseJson(body.toString('utf8'))));
    } catch {
      this.#parts.log.warn({ bytes: body.length }, 'a signed webhook is no JSON');
      return;
    }
    await Promise.all(events.map((told) => this.#hand(told)));
  }

  async #hand(told: ToldEvent): Promise<void> {
    const { log, ledger, state, voicemails, warned, changed } = this.#parts;
    const number = numberOf(state.rules.config, told.number);
    if (number === null) return log.debug({ kind: told.kind, number: told.number }, 'a webhook tells of a number that is not in the configuration');
    if (told.kind === 'settings') {
      const names = Object.keys(told.calling).slice(0, mostShown);
      log.info({ number, changed: names }, 'settings of this number have changed at Meta');
      state.news.number(number, { changed: names });
      // It names some settings only; whether they are as the configuration wants them is looked at whole.
      return changed(number);
    }
    if (told.kind === 'quality') {
      const { type, remediation, until } = told;
      warned(number, type);
      state.news.number(number, { warning: type, restricts: told.restricts, until: until === null ? null : new Date(until).toISOString() });
      log.warn({ number, type, remediation, until: until === null ? null : new Date(until).toISOString() }, told.restricts ? 'Meta restricts calls of this number' : 'Meta warns of the quality of calls of this number');
      // An older word of Meta's is RESTRICTED_BIZ_INITIATED_AND_USER_INITIATED_CALLING.
      return /BUSINESS_INITIATED|BIZ_INITIATED/.test(type) && told.restricts && until !== null ? ledger.restricted(number, until) : undefined;
    }
    const { number: dialled, id, parentId } = told.user;
    const user = dialled ?? id ?? parentId ?? '';
    state.userNames.learn(user, id, parentId);
    switch (told.kind) {
      case 'reply': return ledger.replied(number, user, told.reply);
      case 'call': return this.#parts.told.take(number, user, told);
      case 'voicemail':
        if (voicemails !== null) return voicemails.take({ number, user, wacid: told.wacid, mediaId: told.mediaId, at: told.at });
        log.info({ number, user, wacid: told.wacid }, 'a user has left a voicemail at Meta; it is not fetched, as webhooks.voicemail is not set');
        state.news.voicemail(number, user, told.wacid, null);
    }
  }
}

/** The number of the configuration that a webhook means, by id or as it is dialled. */
function numberOf({ numbers }: Config, { id, display }: ToldNumber): string | null {
  const byId = Object.entries(numbers).find(([, number]) => id !== null && number.id === id);
  const shown = display !== null && Object.hasOwn(numbers, display) ? numbers[display] : undefined;
  // One of ours by its name that has another id is somebody else's, or was.
  return byId?.[0] ?? (shown !== undefined && (id === null || shown.id === null) ? display : null);
}
