// Four calls on loopback, between stand-ins in this process and a service in its own.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { BusinessCallReport, SimulatedMeta } from '../../simulator/index.js';
import { withTimeout } from '../../util/withTimeout.js';
import { loadStandIns, needsWerift } from '../standIns.js';
import { runCommand, startRun, typed, type RunningService } from './command.js';
import { domain, metaHost, numbers, password, writeConfiguration, type Place } from './place.js';
import { heading, judgeBusinessCall, judgeUserCall, say, showCall, verdict, type Outcome } from './show.js';

/** The WhatsApp user whom the PBX calls. */
const user = '+447700900100';
/** How long each call lasts, in seconds. */
const SECONDS = 3;
/** How long when it is placed again: on two busy cores the first tone came up to 2.7 s after the answer. */
const LONGER = 10;
/** How long Meta's side of a call may take to have ended, in milliseconds. */
const END_TIME = 10_000;

type StandIns = typeof import('../../simulator/index.js');
type Keying = keyof typeof numbers;

/** Everything that was started. */
interface Stage { readonly place: Place; readonly standIns: StandIns; readonly service: RunningService; readonly meta: SimulatedMeta }

/**
 * Starts everything, adding to `ending` how each of it is ended, and places the calls. Gives what then runs when audio went both ways in all of
 * them, null when it did not.
 */
export async function demonstrate(place: Place, ending: (() => Promise<void>)[]): Promise<Stage | null> {
  const standIns = await loadStandIns(() => import('../../simulator/index.js'));
  if (standIns === null) throw new Error(`quickstart ${needsWerift}`);
  const peer = await standIns.startPeer({ listen: ['udp:127.0.0.1:0'], answer: 'echo', codecs: ['PCMU'] });
  ending.push(() => peer.close());
  const metaPort = await freePort();
  say(writeConfiguration(place, peer.uri, metaPort));
  const check = await runCommand('check', '-c', place.config);
  say(check.output);
  if (check.status !== 0) return null;
  const service = await startRun(place.config, ending);
  const { ca, meta: { cert, key } } = place.certificates;
  const meta = await standIns.startMeta({
    listen: `127.0.0.1:${metaPort}`, cert, key, to: service.tls, ca, serverName: domain, mediaAddress: '127.0.0.1', expect: [],
    numbers: Object.entries(numbers).map(([keying, number]) => ({ number, password, hostname: domain, keying: keying as Keying })),
  });
  ending.push(() => meta.close());
  say(`\nthe service    SIP over TLS on ${service.tls} towards Meta, over UDP on ${service.udp} towards the PBX; pages on http://${service.http}`);
  say(`its stand-ins  ${metaHost} on 127.0.0.1:${metaPort}; a PBX on ${peer.uri} that sends back what it hears`);

  let ok = true;
  const stage: Stage = { place, standIns, service, meta };
  for (const keying of Object.keys(numbers) as Keying[]) {
    ok = await Promise.race([heard((seconds) => userCalls(stage, keying, seconds)), service.lost]) && ok;
    ok = await Promise.race([heard((seconds) => businessCalls(stage, keying, seconds)), service.lost]) && ok;
  }
  if (!ok && service.log.length > 0) say(['\nThe service logged:', ...service.log].join('\n'));
  say(ok ? '\nAudio went both ways in all four calls.' : '\nNot every call worked.');
  return ok ? stage : null;
}

/** Places a call; where nothing was wrong with it but the silence, once more: programs that have just started are slow on a busy machine. */
async function heard(place: (seconds: number) => Promise<Outcome>): Promise<boolean> {
  const first = await place(SECONDS);
  if (first !== 'silent') return first === 'heard';
  say(`This machine may be too busy for ${SECONDS} seconds: once more, for ${LONGER}.`);
  return await place(LONGER) === 'heard';
}

async function userCalls({ place, standIns, service }: Stage, keying: Keying, seconds: number): Promise<Outcome> {
  const number = numbers[keying];
  heading(`A WhatsApp user calls ${number} (${keying.toUpperCase()}), the PBX echoes`);
  const report = await standIns.simulateUser({
    to: service.tls, serverName: domain, ca: place.certificates.ca, number, password, keying, seconds, codecs: ['opus'], mediaAddress: '127.0.0.1', media: 'full',
  });
  await showCall(report.callId, place.records, service.http);
  return judgeUserCall(report);
}

async function businessCalls({ place, standIns, service, meta }: Stage, keying: Keying, seconds: number): Promise<Outcome> {
  const number = numbers[keying];
  heading(`The PBX calls a WhatsApp user as ${number} (${keying.toUpperCase()})`);
  const caller = await standIns.startPeer({ listen: ['udp:127.0.0.1:0'], user: number, codecs: ['PCMU'] });
  const ended = once(meta, 'ended') as Promise<[BusinessCallReport]>;
  try {
    const call = await caller.call(`sip:${user}@${service.udp}`);
    if (await call.final !== 200) return verdict(false, true, call.report());
    await delay(1000 * seconds);
    await call.bye();
    const [report] = await withTimeout(ended, END_TIME, () => { throw new Error('the call did not end at Meta'); });
    await showCall(report.callId, place.records, service.http);
    return judgeBusinessCall(call.report(), report);
  } finally {
    await caller.close();
  }
}

/** Says what can be tried while everything runs. Rejects when the service ends by itself. */
export async function linger({ place, service }: Stage): Promise<never> {
  const { config, certificates: { ca } } = place;
  const run = typed();
  heading('Still running; Ctrl-C stops everything');
  say(`configuration  ${config}
a user calls   ${run} simulate user --to ${service.tls} --server-name ${domain} --ca ${ca} \\
                 --number ${numbers.dtls} --password ${password} --keying dtls
the PBX calls  ${run} simulate peer --listen udp:127.0.0.1:0 --call sip:${user}@${service.udp} --user ${numbers.dtls}
pages          curl http://${service.http}/calls   curl http://${service.http}/metrics`);
  return service.lost;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
