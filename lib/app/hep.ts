import { readFile } from 'node:fs/promises';
import type { Call } from '../call/call.js';
import { WabError } from '../errors.js';
import type { CallMediaStats, LegMediaStats } from '../media/types.js';
import { HepSender } from '../observe/hep/sender.js';
import { splitListen } from '../util/hostPort.js';
import { withTimeout } from '../util/withTimeout.js';
import type { Start } from './start.js';
import type { State } from './state.js';

/** While a call is up its figures go out so often, in milliseconds. */
const FIGURES_EVERY = 10_000;
/** Whoever has not said them by then is passed over, in milliseconds. */
const PATIENCE = 2000;

/** What is sent to the HEP server beside SIP. */
export interface Hep {
  /** The last figures of a call. */
  ended(call: Call, media: CallMediaStats | null): void;
  /** Packets given up since the start. */
  readonly lost: number;
}

/** Sends what crosses the wire to the HEP server that the configuration names; null: it names none. @throws WabError FILE_UNREADABLE */
export async function openHep({ config: { hep }, log, faults, undo }: Start, { history, table }: State): Promise<Hep | null> {
  const server = hep === null ? null : splitListen(hep.server, ['udp', 'tcp', 'tls']);
  if (hep === null || server === null) return null;
  const sender = new HepSender({
    server, id: hep.id, password: hep.password, ca: await authorities(hep.ca), log, owners: () => history.owners(), mask: (text, call) => history.masked(text, call),
  });
  history.observe((entry) => sender.message(entry));
  const before = new WeakMap<Call, CallMediaStats>();
  const tell = (call: Call, media: CallMediaStats): void => {
    const past = before.get(call);
    before.set(call, media);
    for (const leg of ['meta', 'peer'] as const) {
      const like = history.firstOf(call.facts[leg === 'meta' ? 'metaCallId' : 'peerCallId'] ?? '');
      if (like !== null && media[leg].codec !== null) sender.figures(call.id, like, Date.now(), figuresOf(media[leg], past?.[leg] ?? null));
    }
  };
  const lookAt = async (call: Call): Promise<void> => {
    if (call.answeredAt === null || call.over || call.media === null) return;
    const media = await withTimeout(call.media.stats(), PATIENCE, () => null);
    if (media !== null && !call.over) tell(call, media);
  };
  let looking = false;
  /** One call after another, so that a thousand of them do not ask the media threads at once. One whose figures cannot be had costs no other its own. */
  const look = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    // A thread, or an engine, that has died is told of where that is noticed.
    for (const call of table.all()) await lookAt(call).catch((error: unknown) => call.log.debug({ err: (error as Error).message }, 'no figures for HEP'));
    looking = false;
  };
  const timer = setInterval(() => faults.spawn('figures for HEP', look()), FIGURES_EVERY).unref();
  undo.push(() => {
    clearInterval(timer);
    sender.close();
  });
  return {
    ended: (call, media) => { if (media !== null) tell(call, media); },
    get lost() { return sender.lost; },
  };
}

/** What the far end of a leg sent, as we heard it, and what it was sent. */
function figuresOf(now: LegMediaStats, past: LegMediaStats | null): Parameters<HepSender['figures']>[3] {
  const lost = now.lost - (past?.lost ?? 0);
  const came = now.packetsIn - (past?.packetsIn ?? 0);
  return {
    ssrc: 0, packetsSent: now.packetsIn, octetsSent: now.bytesIn, packetsLost: now.lost,
    fractionLost: lost <= 0 ? 0 : Math.min(255, Math.floor((256 * lost) / (lost + came))),
    jitter: Math.round((now.jitterMs ?? 0) * (now.codec === 'opus' ? 48 : 8)), roundTripMs: now.roundTripMs, mos: now.mos,
  };
}

async function authorities(file: string | null): Promise<string | null> {
  if (file === null) return null;
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new WabError('FILE_UNREADABLE', `hep.ca: ${file} cannot be read: ${(error as Error).message}`);
  }
}
