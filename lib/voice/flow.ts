import type { Destination } from '../config/destinations.js';
import type { RouteDecision } from '../routing/types.js';
import { ended, type Termination } from '../call/termination.js';
import type { Line } from './line.js';
import { runMenu } from './menu.js';
import { waitInQueue } from './queue/wait.js';
import { announce, ring, type LostAgent } from './ring.js';
import { takeMessage } from './voicemail.js';

/** Places that one call goes through; more are menus that lead round and round. */
const mostPlaces = 100;

type Found = Extract<RouteDecision, { found: true }>;

/** The course of a user's call by where its route sends it, from place to place, until somebody has it or it is over. */
export async function runFlow(line: Line, decision: Found): Promise<void> {
  const { call } = line;
  let next: Destination | null = decision.destination;
  let unanswered = decision.unanswered;
  let lost: LostAgent | null = null;
  for (let places = 0; next !== null && !call.over; places += 1) {
    if (places === mostPlaces) return call.end(ended.noChoice(`${mostPlaces} places in a row`));
    if (next.kind !== 'ring') {
      next = await goTo(line, next, decision);
      continue;
    }
    const isRoutes = next === decision.destination && decision.hours?.open !== false;
    const rung = await ring(line, isRoutes ? await lookedUp(line, next) : next, lost);
    if (rung === null) return;
    if ('lost' in rung) {
      lost = rung.lost;
      // What was pressed was meant for the agent.
      line.keys.forget();
      call.log.warn({ peer: lost.peer, why: lost.why.text }, `the voice agent of peer ${lost.peer} is lost: the call goes on to the next target`);
      if (lost.rest.length > 0) {
        next = { ...next, to: lost.rest };
        continue;
      }
    }
    const failed: Termination = 'failed' in rung ? rung.failed : rung.lost.why;
    if (lost !== null) call.sentOn({ kind: 'failover', by: lost.peer, to: null, status: failed.status });
    if (unanswered === null) return lost === null ? nobody(line, failed) : call.end(lost.why);
    call.log.info({ ended: failed }, 'nobody took the call: it goes to unanswered');
    next = unanswered;
    unanswered = null;
    lost = null;
  }
}

/** The targets of the route in the order that its look-up gives, those that it names; as they stand where there is none, or it fails. */
async function lookedUp({ call, context, route }: Line, ring: Extract<Destination, { kind: 'ring' }>): Promise<Extract<Destination, { kind: 'ring' }>> {
  const { number, user, wacid, payload } = call.facts;
  if (route.lookup === null || number === null || user === null) return ring;
  const abort = new AbortController();
  const release = call.own(() => { abort.abort(); });
  const to = await context.lookups.ask(route.lookup, { route: route.name, number, user, wacid, payload, targets: ring.to }, abort.signal);
  release();
  return to === null ? ring : { ...ring, to };
}

/** @returns where the call goes next; null: it is over */
async function goTo(line: Line, place: Exclude<Destination, { kind: 'ring' }>, found: Found): Promise<Destination | null> {
  const { call } = line;
  switch (place.kind) {
    case 'menu': return runMenu(line, place.name);
    case 'queue': return waitInQueue(line, place.name);
    case 'voicemail':
      await takeMessage(line, place.name);
      return null;
    case 'play':
      call.end(await announce(line, place.file, 'an announcement') ? ended.announced() : ended.fault(`${place.file} cannot be played`));
      return null;
    case 'refuse':
      call.end(refusal(place, found));
      return null;
  }
}

/** How a call ends that is refused there. */
export function refusal(place: Extract<Destination, { kind: 'refuse' }>, { hours, destination }: Found): Termination {
  return hours?.open === false && place === destination ? ended.closed(place.status, hours.name) : ended.turnedAway(place.status);
}

/** Nobody has taken the call. Where everybody the route names is out, the user is told so, once. */
async function nobody(line: Line, failed: Termination): Promise<void> {
  const { call, route } = line;
  if (failed.reason === 'nobodyThere' && route.downMessage !== null) await announce(line, route.downMessage, `downMessage of route ${route.name}`);
  call.end(failed);
}
