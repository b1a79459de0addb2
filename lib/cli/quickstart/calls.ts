// Calls of a demonstration, between stand-ins in this process and a service in its own.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { BusinessCallReport, PeerCallReport, SimulatedGraph, SimulatedMeta } from '../../simulator/index.js';
import { withTimeout } from '../../util/withTimeout.js';
import type { RunningService } from './command.js';
import { domain, password, type ApiKey, type Place } from './place.js';
import { heading, judgeBusinessCall, judgeUserCall, say, showCall, verdict, type NamedRecord, type Outcome } from './show.js';

/** The WhatsApp user whom the PBX calls. */
export const user = '+447700900100';
/** How long each call lasts, in seconds. */
const SECONDS = 3;
/** How long when it is placed again: on two busy cores the first tone came up to 2.7 s after the answer. */
const LONGER = 10;
/** How long Meta's side of a call may take to have ended, in milliseconds. */
const END_TIME = 10_000;

export type StandIns = typeof import('../../simulator/index.js');

/** Everything that was started. */
export interface Stage {
  readonly place: Place;
  readonly standIns: StandIns;
  readonly service: RunningService;
  readonly meta: SimulatedMeta;
  /** Meta's Graph API, where it is played. */
  readonly graph: SimulatedGraph | null;
  /** Null: it is not served. */
  readonly api: ApiKey | null;
}

/** A number that calls or is called, and the line above what is shown. */
export interface Planned { readonly number: string; readonly keying: 'sdes' | 'dtls'; readonly title: string }

/** Places a call; where nothing was wrong with it but the silence, once more: programs that have just started are slow on a busy machine. */
export async function heard(place: (seconds: number) => Promise<Outcome>): Promise<boolean> {
  const first = await place(SECONDS);
  if (first !== 'silent') return first === 'heard';
  say(`This machine may be too busy for ${SECONDS} seconds: once more, for ${LONGER}.`);
  return await place(LONGER) === 'heard';
}

export async function userCalls({ place, standIns, service, graph }: Stage, { number, keying, title }: Planned, seconds: number): Promise<Outcome> {
  heading(title);
  const report = await standIns.simulateUser({
    to: service.tls, serverName: domain, ca: place.certificates.ca, number, keying, seconds, codecs: ['opus'], mediaAddress: '127.0.0.1', media: 'full',
    password: (await graph?.calls.number(number))?.password ?? password, ledger: graph?.calls,
  });
  await showCall(report.callId, place.records, service.http);
  return judgeUserCall(report);
}

/** `judge`: what the record must say beside. */
export async function businessCalls(stage: Stage, { number, title }: Planned, seconds: number, judge: (record: NamedRecord | undefined) => boolean = () => true): Promise<Outcome> {
  heading(title);
  const { place, service, meta } = stage;
  const ended = once(meta, 'ended') as Promise<[BusinessCallReport]>;
  return withCall(stage, number, async (call) => {
    if (await call.final !== 200) return verdict(false, true, call.report());
    await delay(1000 * seconds);
    await call.bye();
    const [report] = await withTimeout(ended, END_TIME, () => { throw new Error('the call did not end at Meta'); });
    const record = await showCall(report.callId, place.records, service.http);
    const outcome = judgeBusinessCall(call.report(), report);
    return judge(record) ? outcome : 'failed';
  });
}

/** The PBX calls the user and is refused before anything goes to Meta; gives what the PBX got. */
export async function refusedCall(stage: Stage, { number, title }: Planned): Promise<PeerCallReport> {
  heading(title);
  return withCall(stage, number, async (call) => {
    if (await call.final === 200) await call.bye();
    await showCall(call.callId, stage.place.records, stage.service.http);
    return call.report();
  });
}

type PlacedCall = Awaited<ReturnType<Awaited<ReturnType<StandIns['startPeer']>>['call']>>;

/** A phone of the PBX that calls the user, and is gone afterwards. */
async function withCall<T>({ standIns, service }: Stage, number: string, use: (call: PlacedCall) => Promise<T>): Promise<T> {
  const caller = await standIns.startPeer({ listen: ['udp:127.0.0.1:0'], user: number, codecs: ['PCMU'] });
  try {
    return await use(await caller.call(`sip:${user}@${service.udp}`));
  } finally {
    await caller.close();
  }
}

/** A TCP port of loopback that nobody has now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
