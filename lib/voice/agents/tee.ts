import type { Call } from '../../call/call.js';
import type { Hunting } from '../../call/context.js';
import type { RouteConfig } from '../../config/types.js';
import type { MediaCall } from '../../media/types.js';
import { placeOfTee } from './place.js';

/** How long the socket of who only listens may take to open, in milliseconds. */
const OPEN_WITHIN_MS = 10_000;

/**
 * Gives what both sides say to a program that only listens, from the answer to Meta on (`routes[].tee`). Whatever becomes of its socket touches nothing
 * of the call: the log says so, and that is all.
 */
export function teeCall({ agents }: Pick<Hunting, 'agents'>, call: Call, media: MediaCall, route: RouteConfig | undefined): void {
  const tee = route?.tee ?? null;
  if (route === undefined || tee === null) return;
  const stop = call.observer.listen((what) => {
    if (what.type !== 'answered' || what.leg !== 'meta') return;
    stop();
    const { number, user, wacid, payload } = call.facts;
    const link = agents.dial({
      peer: `tee:${route.name}`, place: placeOfTee(tee), patience: OPEN_WITHIN_MS, listens: true,
      call: { id: call.id, number: number ?? '', user: user ?? '', wacid, payload, direction: call.direction },
    });
    media.tee(link.end);
    const over = (why: string): void => call.log.warn({ route: route.name, why }, `who listens to calls of route ${route.name} hears this one no more`);
    link.once('open', () => link.begin());
    link.once('refused', ({ text }) => over(text));
    link.once('gone', over);
    link.once('hungUp', (text) => over(text ?? 'it closed the socket'));
    link.on('lost', (text) => call.log.warn({ route: route.name, text }, 'the socket of who listens was lost: it is opened again'));
    call.own(() => link.close('ended'));
  });
}
