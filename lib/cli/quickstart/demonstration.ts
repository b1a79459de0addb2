// Four calls on loopback, between stand-ins in this process and a service in its own.
import { randomBytes } from 'node:crypto';
import { relative } from 'node:path';
import { loadStandIns, needsWerift } from '../standIns.js';
import { businessCalls, freePort, heard, userCalls, user, type Stage, type StandIns } from './calls.js';
import { runCommand, startRun, typed, type RunningService } from './command.js';
import { domain, metaHost, numbers, password, writeApiEnv, writeConfiguration, writeSound, type ApiKey, type FullConfiguration, type Place } from './place.js';
import { heading, say } from './show.js';

/** The stand-ins. Rejects where their package is missing. */
export async function needStandIns(): Promise<StandIns> {
  const standIns = await loadStandIns(() => import('../../simulator/index.js'));
  if (standIns === null) throw new Error(`quickstart ${needsWerift}`);
  return standIns;
}

/**
 * Starts everything, adding to `ending` how each of it is ended, and places the calls. Gives what then runs when audio went both ways in all of
 * them, null when it did not. `stay`: it is to run on, with the API.
 */
export async function demonstrate(place: Place, ending: (() => Promise<void>)[], stay: boolean): Promise<Stage | null> {
  const standIns = await needStandIns();
  const checked = await openPbx(place, standIns, ending, stay, null);
  if (checked === null) return null;
  const stage = await startBoth(place, standIns, ending, { ...checked, graph: null });
  const { service } = stage;
  let ok = true;
  for (const keying of Object.keys(numbers) as (keyof typeof numbers)[]) {
    const [number, keyed] = [numbers[keying], keying.toUpperCase()];
    const [called, calling] = [`A WhatsApp user calls ${number} (${keyed}), the PBX echoes`, `The PBX calls a WhatsApp user as ${number} (${keyed})`];
    ok = await Promise.race([heard((seconds) => userCalls(stage, { number, keying, title: called }, seconds)), service.lost]) && ok;
    ok = await Promise.race([heard((seconds) => businessCalls(stage, { number, keying, title: calling }, seconds)), service.lost]) && ok;
  }
  tellLog(service, ok);
  say(ok ? '\nAudio went both ways in all four calls.' : '\nNot every call worked.');
  return ok ? stage : null;
}

/** What was started before the service. */
interface Pbx { readonly pbx: string; readonly metaPort: number; readonly api: ApiKey | null }

/** Starts a PBX, writes the configuration and checks it; null when that finds faults. */
export async function openPbx(place: Place, standIns: StandIns, ending: (() => Promise<void>)[], stay: boolean, full: FullConfiguration | null): Promise<Pbx | null> {
  const peer = await standIns.startPeer({ listen: ['udp:127.0.0.1:0'], answer: 'echo', codecs: ['PCMU'] });
  ending.push(() => peer.close());
  const metaPort = await freePort();
  const api = stay ? { port: await freePort(), token: randomBytes(24).toString('hex') } : null;
  if (api !== null) writeSound(place);
  say(writeConfiguration(place, peer.uri, metaPort, { full, api }));
  const check = await runCommand(ending, 'check', '-c', place.config);
  say(check.output);
  return check.status === 0 ? { pbx: peer.uri, metaPort, api } : null;
}

/** Starts the service and a stand-in of Meta's SIP side, with the ledger of the Graph API where there is one. */
export async function startBoth(place: Place, standIns: StandIns, ending: (() => Promise<void>)[], { pbx, metaPort, api, graph }: Pbx & Pick<Stage, 'graph'>): Promise<Stage> {
  const service = await startRun(place.config, ending);
  if (api !== null) writeApiEnv(place, api, service.pid, graph?.url ?? null);
  const { ca, meta: { cert, key } } = place.certificates;
  const meta = await standIns.startMeta({
    listen: `127.0.0.1:${metaPort}`, cert, key, to: service.tls, ca, serverName: domain, mediaAddress: '127.0.0.1', expect: [], ledger: graph?.calls,
    numbers: graph !== null ? [] : Object.entries(numbers).map(([keying, number]) => ({ number, password, hostname: domain, keying: keying as keyof typeof numbers })),
  });
  ending.push(() => meta.close());
  say(`\nthe service    SIP over TLS on ${service.tls} towards Meta, over UDP on ${service.udp} towards the PBX; pages on http://${service.http}`);
  say(`its stand-ins  ${metaHost} on 127.0.0.1:${metaPort}; a PBX on ${pbx} that sends back what it hears`);
  return { place, standIns, service, meta, graph, api };
}

export function tellLog({ log }: RunningService, ok: boolean): void {
  if (!ok && log.length > 0) say(['\nThe service logged:', ...log].join('\n'));
}

/** Says what can be tried while everything runs. Rejects when the service ends by itself. */
export async function linger({ place, service, graph, api }: Stage): Promise<never> {
  const { config, certificates: { ca }, apiEnv } = place;
  const run = typed();
  // The one who has called in the full demonstration may be called back.
  const another = graph === null ? '+447700900101' : '+447700900102';
  const [number, keying, how] = graph === null ? [numbers.dtls, 'dtls', `--password ${password}`] : [numbers.sdes, 'sdes', `--graph ${graph.url}`];
  heading('Still running; Ctrl-C stops everything');
  say(`configuration  ${config}
live page      http://${service.http}/
a user calls   ${run} simulate user --to ${service.tls} --server-name ${domain} --ca ${ca} \\
                 --number ${number} ${how} --keying ${keying}
the PBX calls  ${run} simulate peer --listen udp:127.0.0.1:0 --call sip:${user}@${service.udp} --user ${number}
pages          curl http://${service.http}/calls   curl http://${service.http}/metrics`);
  if (graph !== null) {
    say(`another user   ${run} permission request -c ${config} --number ${number} --user ${another}
  accepts      curl -d '{"number":"${number}","user":"${another}","answer":"accept"}' ${graph.url}/standin/answer
  may be called  ${run} permission show -c ${config} --number ${number} --user ${another}
at Meta        ${run} provision verify -c ${config}`);
  }
  if (api !== null) {
    const bearer = '-H "Authorization: Bearer $API_TOKEN"';
    const order = JSON.stringify({ number: numbers.sdes, user: another, peer: 'pbx', peerUser: '6001' });
    say(`
the API        in another terminal, docs/guides/api.md has more; API and API_TOKEN come with
                 . ${relative(process.cwd(), apiEnv).startsWith('..') ? apiEnv : `./${relative(process.cwd(), apiEnv)}`}
events         curl -sN ${bearer} $API/v1/events
click-to-call  curl -s ${bearer} -H 'Content-Type: application/json' -d '${order}' $API/v1/calls`);
  }
  return service.lost;
}
