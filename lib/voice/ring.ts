import type { Destination } from '../config/destinations.js';
import { Hunt } from '../call/hunt/hunt.js';
import type { Won } from '../call/hunt/plan.js';
import { ended, reasonOf, type Termination } from '../call/termination.js';
import type { PeerLeg } from '../media/types.js';
import { targetsOf } from '../routing/index.js';
import { formatReason } from '../sip/headers.js';
import { say, type Line } from './line.js';

type Ring = Extract<Destination, { kind: 'ring' }>;

/**
 * Rings those a destination names and gives the user to whoever answers. Who has been answered already hears music meanwhile.
 * @returns why nobody took it; null: somebody did, or the call is over
 */
export async function ring(line: Line, { to, strategy, ringTimeout }: Ring): Promise<Termination | null> {
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
    targets: targetsOf(context.rules().config.peers, to), strategy, ringTimeout, stopOn: route.stopOn, route: route.name, origin: 'route', by: null, ready: line.ready,
    from: manner.from, headers: manner.headers, early: route.answerOnEarlyMedia ? early : null,
  }, () => line.ring());
  const release = call.own((termination) => {
    const { protocol, cause, text } = reasonOf(termination);
    hunt.stop(formatReason(protocol, cause, text));
  });
  try {
    const result = await hunt.run();
    if ('won' in result) await connect(line, result.won);
    else {
      comfort.end('queue');
      // What was pressed meanwhile was meant for nobody.
      line.keys.forget();
      return call.over ? null : result.failed;
    }
  } catch (error) {
    call.end(ended.byError(error));
  } finally {
    release();
  }
  return null;
}

async function connect(line: Line, won: Won): Promise<void> {
  const { call, bridge } = line;
  bridge.connect(bridge.adopt(won));
  bridge.comfort.end('queue');
  if (!await line.accept()) return;
  call.log.info({ peer: won.target.peer, user: won.target.user, setupMs: call.setupMs }, 'call answered');
}

/** Answers the user, who hears a file to its end. False: it could not be played, or the call is over. */
export async function announce(line: Line, file: string, what: string): Promise<boolean> {
  if (!await line.accept()) return false;
  await line.heard();
  return await say(line, file, what) && !line.call.over;
}
