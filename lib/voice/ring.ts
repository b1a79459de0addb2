import type { Destination } from '../config/destinations.js';
import { Hunt } from '../call/hunt/hunt.js';
import type { Won } from '../call/hunt/plan.js';
import { ended, reasonOf, type Termination } from '../call/termination.js';
import type { PeerLeg } from '../media/types.js';
import { targetsOf } from '../routing/index.js';
import { formatReason } from '../sip/headers.js';
import { say, type Line } from './line.js';

type Ring = Extract<Destination, { kind: 'ring' }>;

/** A voice agent had the call and was lost: the others whom the destination names, who have not been rung or have not taken it. */
export interface LostAgent { readonly peer: string; readonly why: Termination; readonly rest: Ring['to'] }

/** How it went on: nobody took the call, or a voice agent that did was lost; null: somebody has it, or it is over. */
export type Rung = { readonly failed: Termination } | { readonly lost: LostAgent } | null;

/**
 * Rings those a destination names and gives the user to whoever answers. Who has been answered already hears music meanwhile. `after`: the agent that
 * had the call before; of a voice agent it resolves at its end.
 */
export async function ring(line: Line, { to, strategy, ringTimeout }: Ring, after: LostAgent | null): Promise<Rung> {
  const { call, context, media, bridge, route } = line;
  const { comfort, manner } = bridge;
  if (route.answerFirst && !await line.accept()) return null;
  if (line.accepted) comfort.begin('queue', route.answerFirst ? manner.music : manner.transferSound);
  let heard: PeerLeg | null = null;
  const early = {
    begun: (leg: PeerLeg): void => {
      heard = leg;
      media.connect(leg);
      comfort.end('queue');
      call.runs(line.accept().then(() => undefined));
    },
    // Meta has been answered: while the next target rings the user hears music.
    lost: (leg: PeerLeg): void => {
      // Others ring, and one of them is heard.
      if (leg !== heard) return;
      media.connect(null);
      comfort.begin('queue', manner.music);
    },
  };
  const hunt = new Hunt(call, context, media, {
    targets: targetsOf(context.rules().config.peers, to), strategy, ringTimeout, stopOn: route.stopOn, route: route.name, origin: after === null ? 'route' : 'failover', by: null, ready: line.ready,
    from: manner.from, headers: manner.headers, early: route.answerOnEarlyMedia ? early : null,
  }, () => line.ring());
  const release = call.own((termination) => {
    const { protocol, cause, text } = reasonOf(termination);
    hunt.stop(formatReason(protocol, cause, text));
  });
  let result: Awaited<ReturnType<Hunt['run']>>;
  try {
    result = await hunt.run();
  } catch (error) {
    call.end(ended.byError(error));
    return null;
  } finally {
    release();
  }
  if ('won' in result) {
    if (after !== null && !call.over) call.sentOn({ kind: 'failover', by: after.peer, to: `${result.won.target.user}@${result.won.target.peer}`, status: 200 });
    return connect(line, result.won, { to, strategy });
  }
  comfort.end('queue');
  // What was pressed meanwhile was meant for nobody.
  line.keys.forget();
  return call.over ? null : result;
}

async function connect(line: Line, won: Won, { to, strategy }: Pick<Ring, 'to' | 'strategy'>): Promise<Rung> {
  const { call, bridge } = line;
  const connection = bridge.adopt(won);
  // A person who hangs up has done so; a program that is lost has left somebody behind.
  const loss = 'link' in won ? bridge.lossOf(connection) : null;
  bridge.connect(connection);
  bridge.comfort.end('queue');
  if (!await line.accept()) return null;
  const { peer, user } = won.target;
  call.log.info({ peer, user, setupMs: call.setupMs }, 'call answered');
  const why = await loss;
  if (why === null || call.over) return null;
  const at = to.findIndex((one) => one.peer === peer && one.user === user);
  // One that it was redirected to stands by itself.
  const rest = at < 0 ? [] : strategy === 'ring-all' ? to.filter((_, i) => i !== at) : to.slice(at + 1);
  return { lost: { peer, why, rest } };
}

/** Answers the user, who hears a file to its end. False: it could not be played, or the call is over. */
export async function announce(line: Line, file: string, what: string): Promise<boolean> {
  if (!await line.accept()) return false;
  await line.heard();
  return await say(line, file, what) && !line.call.over;
}
