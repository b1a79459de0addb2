import { createHmac } from 'node:crypto';
import type { ConfigFile } from '../config/types.js';
import { wantsType, type EventBus, type ServiceEvent } from '../observe/events.js';
import type { Logger } from '../observe/logger.js';
import { Deliveries, type DeliveryOutcome } from '../util/deliveries.js';
import { shownUrl } from '../util/shownUrl.js';
import type { Calls } from './calls.js';
import type { Start } from './start.js';
import type { State } from './state.js';

/** Events, and bytes of them, that wait for one URL; beyond, further ones are dropped, which events.gap tells. */
const maxWaiting = 20_000;
const maxWaitingBytes = 16_000_000;
/** Events on their way to one URL at once. */
const maxAtOnce = 8;
const attemptMs = 10_000;
/** Milliseconds before each further attempt; then hourly, for a day. */
const pausesMs = [1000, 5000, 30_000, 120_000, 600_000, 3_600_000];
const lifetimeMs = 24 * 3_600_000;
/** While nothing gets through. */
const restMs = 1000;
/** What waits when the service ends, as the end of the calls that it ends, has so long, milliseconds. */
const partingMs = 2000;

/** Begins to tell every webhook of the configuration. */
export function openHooks({ config, log, undo }: Start, { news: { bus } }: State, { metrics }: Calls): void {
  if (bus === null) return;
  const stops = config.events.webhooks.map((hook) => startHook(hook, { bus, log: log.child({ part: 'events' }), onOutcome: (outcome) => metrics.eventPosted(outcome) }));
  undo.push(async () => { await Promise.all(stops.map((stop) => stop())); });
}

type Hook = ConfigFile['events']['webhooks'][number];

interface HookParts {
  readonly bus: EventBus;
  readonly log: Logger;
  readonly onOutcome: (outcome: DeliveryOutcome) => void;
}

/** Posts events to one URL of `events.webhooks`: those of a call in their order, each at least once, signed. The result stops it. */
function startHook({ url, secret, types, users }: Hook, { bus, log, onOutcome }: HookParts): () => Promise<void> {
  const wants = wantsType(types);
  let missed = 0;
  const deliveries = new Deliveries(url, {
    attemptMs, pausesMs, lifetimeMs, restMs, most: { letters: maxWaiting, bytes: maxWaitingBytes, atOnce: maxAtOnce }, onOutcome,
    onTrouble: (why) => {
      if (why === null) log.info({ url: shownUrl(url) }, 'events are taken by this webhook again');
      else log.warn({ url: shownUrl(url), why }, 'events cannot be delivered to this webhook; they wait');
    },
  });
  const post = (event: ServiceEvent): boolean => {
    const body = Buffer.from(event.json(users));
    const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
    return deliveries.send({ body, headers: { 'content-type': 'application/json', 'x-wab-signature-256': signature } }, event.call);
  };
  const unlisten = bus.listen((event) => {
    if (!wants(event.type)) return;
    // There is room again: what had none is told of first.
    if (missed > 0 && post(bus.gap(event.seq, missed))) missed = 0;
    if (!post(event)) missed += 1;
  });
  return () => {
    unlisten();
    return deliveries.finish(partingMs);
  };
}
