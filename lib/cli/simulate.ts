import { createInterface } from 'node:readline';
import { Command, InvalidArgumentError, Option } from 'commander';
import { BEHAVIOUR_HELP, META_BEHAVIOUR_HELP, parseBehaviour, parseMetaBehaviour, RemoteLedger, simulateUser, startMeta, startPeer } from '../simulator/index.js';
import type { PeerCall, SimulatedPeer, SimulateUserOptions, UserReport } from '../simulator/index.js';
import { after } from '../util/after.js';
import { registerAgent } from './simulateAgent.js';
import { registerGraph } from './simulateGraph.js';

type Codec = 'opus' | 'PCMU' | 'PCMA' | 'G722';

interface UserFlags {
  to: string; number: string; password?: string; graph?: string; keying: 'sdes' | 'dtls'; seconds: number; json?: boolean; ca?: string; serverName?: string; listen?: string;
  cert?: string; key?: string; from?: string; name?: string; payload?: string; deeplink?: string; country?: string; userParams?: string; dtmf?: string;
  codecs: Codec[]; expect?: number[]; tone?: number[]; cancelAfter?: number; signallingOnly?: boolean; media?: string;
}

interface PeerFlags {
  listen: string[]; answer: string; codecs: Codec[]; srtp: 'none' | 'sdes' | 'optional'; cert?: string; key?: string; ca?: string; serverName?: string; user?: string;
  media?: string; call?: string; via?: string; username?: string; password?: string; header?: string[]; seconds?: number; dtmf?: string; tone?: number[]; json?: boolean;
}

interface MetaFlags {
  listen: string; number: string[]; password: string; hostname: string; cert: string; key: string; keying: 'sdes' | 'dtls'; g711?: boolean; behaviour: string;
  to?: string; ca?: string; serverName?: string; media: string; tone?: number[]; json?: boolean; graph?: string;
}

/** `wa-b2bua simulate user | peer | meta | graph | agent`: stand-ins for both sides of a call. Each exits 0 only when nothing was wrong. */
export function registerSimulateCommands(program: Command): void {
  const simulate = program.command('simulate').description('play Meta and a WhatsApp user, a PBX user, or a voice agent, with real audio');
  registerUser(simulate);
  registerPeer(simulate);
  registerMeta(simulate);
  registerGraph(simulate);
  registerAgent(simulate);
}

function registerUser(simulate: Command): void {
  simulate.command('user')
    .description('play Meta and a WhatsApp user: place a call, send and check audio, hang up, give the verdict')
    .requiredOption('--to <host:port>', 'TLS listener of the service')
    .requiredOption('--number <+number>', 'business number that is called')
    .option('--password <password>', 'its SIP password; not needed with --graph')
    .option('--graph <url>', 'the running simulate graph that knows the password and is told of the call')
    .addOption(new Option('--keying <keying>', 'as set on the number at Meta').choices(['sdes', 'dtls']).default('sdes'))
    .option('--seconds <seconds>', 'talk so long', seconds, 5)
    .option('--ca <file>', 'CA of the service\'s certificate (PEM)')
    .option('--server-name <host>', 'name its certificate must carry; default: the host of --to')
    .option('--listen <host:port>', 'play wa.meta.vc here, for requests of the service; needs --cert and --key')
    .option('--cert <file>', 'certificate for wa.meta.vc (PEM)')
    .option('--key <file>', 'its key (PEM)')
    .option('--from <user>', 'calling user: +number or BSUID')
    .option('--name <name>', 'display name')
    .option('--payload <text>', 'payload of a call button')
    .option('--deeplink <text>', 'payload of a deep link')
    .option('--country <code>', 'country code of the user')
    .option('--user-params <params>', 'parameters in the user part of the Request-URI, e.g. tgrp=wacall')
    .option('--codecs <names>', 'codecs offered, in order', codecs, ['opus'])
    .option('--dtmf <digits>', 'digits to send')
    .option('--tone <hz,hz>', 'own tone, and the one it changes to', frequencies)
    .option('--expect <hz,…>', 'tones that count as heard; default: the own ones, as an echo gives; 0: any', frequencies)
    .option('--cancel-after <ms>', 'give up so long after the INVITE', whole)
    .option('--signalling-only', 'no media')
    .option('--media <address>', 'address media is sent from', '127.0.0.1')
    .option('--json', 'print the whole report as JSON')
    .action(async (flags: UserFlags) => {
      const report = await simulateUser(await userOptions(flags));
      process.stdout.write(flags.json === true ? `${JSON.stringify(report)}\n` : verdictOf(report));
      if (!report.ok) process.exitCode = 1;
    });
}

async function userOptions(flags: UserFlags): Promise<SimulateUserOptions> {
  const ledger = flags.graph === undefined ? undefined : new RemoteLedger(flags.graph);
  const password = flags.password ?? (await ledger?.number(flags.number))?.password;
  if (password === undefined) throw new Error(ledger === undefined ? '--password or --graph is required' : `${flags.graph} has no SIP password for ${flags.number}: its number is not set up`);
  return {
    to: flags.to, number: flags.number, password, ledger, keying: flags.keying, seconds: flags.seconds, ca: flags.ca, serverName: flags.serverName,
    listen: flags.listen, cert: flags.cert, key: flags.key, from: flags.from, displayName: flags.name, payload: flags.payload, deeplinkPayload: flags.deeplink,
    countryCode: flags.country, userParams: flags.userParams, dtmf: flags.dtmf, codecs: flags.codecs, tones: pair(flags.tone),
    expect: flags.expect?.filter((f) => f > 0), cancelAfterMs: flags.cancelAfter, mediaAddress: flags.media, media: flags.signallingOnly === true ? 'none' : 'full',
  };
}

/** A report for people: the messages, then one line for each thing that matters. */
function verdictOf(report: UserReport): string {
  const { audio, setup } = report;
  const lines = [...report.messages, '', `status     ${report.status} ${report.reason}, ended by ${report.endedBy}${report.byeReason ? ` (${report.byeReason})` : ''}`];
  lines.push(`set-up     challenge ${ms(setup.challengedMs)}, ringing ${ms(setup.ringingMs)}, answer ${ms(setup.answeredMs)}`);
  if (audio !== undefined) {
    lines.push(`tone       ${audio.toneHeard ? `heard ${ms(audio.firstToneMs)} after the answer` : 'NOT heard'}`);
    lines.push(`packets    ${audio.packetsSent} sent, ${audio.packetsReceived} received, ${audio.packetsLost} lost, jitter ${ms(audio.jitterMs)}, longest gap ${ms(audio.maxGapMs)}`);
    lines.push(`delay      about ${ms(audio.oneWayMs)} one way (half of there and back)`);
    if (audio.digits !== '') lines.push(`digits     ${audio.digits} heard`);
  }
  for (const violation of report.violations) lines.push(`VIOLATION  ${violation.rule}: ${violation.detail}`);
  return `${lines.join('\n')}\n${report.ok ? 'ok' : 'FAILED'}\n`;
}

function ms(value: number | undefined): string {
  return value === undefined ? '-' : `${value} ms`;
}

function registerPeer(simulate: Command): void {
  simulate.command('peer')
    .description('play a PBX user: answer with audio, hold, transfer, hang up, on demand; or place a call')
    .option('--listen <address...>', 'udp:HOST:PORT, tcp:HOST:PORT or tls:HOST:PORT', ['udp:127.0.0.1:0'])
    .option('--answer <words>', 'how calls are met', (text: string) => checked(parseBehaviour, text), 'echo')
    .option('--codecs <names>', 'codecs, in order of preference', codecs, ['PCMU', 'PCMA', 'opus'])
    .addOption(new Option('--srtp <how>', 'SRTP with SDES').choices(['none', 'sdes', 'optional']).default('none'))
    .option('--cert <file>', 'certificate for tls (PEM)')
    .option('--key <file>', 'its key (PEM)')
    .option('--ca <file>', 'CA of servers that are called over TLS (PEM)')
    .option('--server-name <host>', 'name in their certificate')
    .option('--user <user>', 'own user part')
    .option('--media <address>', 'address media is sent from')
    .option('--call <uri>', 'place one call and exit')
    .option('--via <address>', 'send it to udp:HOST:PORT and the like, whatever the URI names')
    .option('--header <name:value...>', 'further headers of the INVITE')
    .option('--username <name>', 'when the far end challenges')
    .option('--password <password>', 'likewise')
    .option('--seconds <seconds>', 'with --call: talk so long', seconds, 5)
    .option('--dtmf <digits>', 'with --call: digits to send')
    .option('--tone <hz,hz>', 'own tone, and the one it changes to', frequencies)
    .option('--json', 'print reports as JSON')
    .addHelpText('after', `\nHow calls are met, words joined by commas:\n${BEHAVIOUR_HELP.map((l) => `  ${l}`).join('\n')}\n\nWhile it runs, standard input takes: ${Object.keys(ORDERS).join(', ')}`)
    .action(async (flags: PeerFlags) => {
      const { username, password } = flags;
      const peer = await startPeer({
        listen: flags.listen, answer: flags.answer, codecs: flags.codecs, srtp: flags.srtp, user: flags.user, mediaAddress: flags.media, tones: pair(flags.tone),
        tls: { cert: flags.cert, key: flags.key, ca: flags.ca, serverName: flags.serverName }, auth: username !== undefined && password !== undefined ? { username, password } : undefined,
      });
      try {
        await (flags.call === undefined ? serve(peer, flags) : place(peer, flags.call, flags));
      } finally {
        await peer.close();
      }
    });
}

/** Words of standard input → what they do to the call that came last. */
const ORDERS: Readonly<Record<string, (call: PeerCall, rest: string) => unknown>> = {
  hold: (call, how) => call.hold(how === 'inactive' || how === 'zero' ? how : 'sendonly'),
  resume: (call) => call.resume(),
  refer: (call, target) => call.refer(target),
  bye: (call) => call.bye(),
  dtmf: (call, digits) => call.press(digits),
  mute: (call) => { call.mute(true); },
  unmute: (call) => { call.mute(false); },
};

async function serve(peer: SimulatedPeer, flags: PeerFlags): Promise<void> {
  say({ ready: true, listening: peer.points.map((p) => `${p.protocol}:${p.local.address}:${p.local.port}`), uri: peer.uri });
  peer.on('call', (call) => { say({ call: call.callId, from: call.from }); });
  peer.on('ended', (call) => { say(flags.json === true ? call.report() : summaryOf(call)); });
  const input = createInterface({ input: process.stdin });
  input.on('line', (line) => {
    const [word = '', ...rest] = line.trim().split(/\s+/);
    const order = ORDERS[word];
    const call = peer.lastCall;
    if (word === '') return;
    if (order === undefined || call === undefined) say({ order: word, error: order === undefined ? 'unknown' : 'no call is up' });
    else void Promise.resolve(order(call, rest.join(' '))).then((result) => { say({ order: word, result }); });
  });
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => { resolve(); });
    process.once('SIGTERM', () => { resolve(); });
  });
  input.close();
}

function registerMeta(simulate: Command): void {
  simulate.command('meta')
    .description('play wa.meta.vc for business-initiated calls: 407, refusals in Meta\'s words, answers with audio')
    .requiredOption('--listen <host:port>', 'where wa.meta.vc is played')
    .option('--number <+number...>', 'business numbers that may call; not needed with --graph', [])
    .option('--password <password>', 'their SIP password', '')
    .option('--hostname <host>', 'SIP server registered for them', '')
    .option('--graph <url>', 'the running simulate graph that numbers, permissions and webhooks are of')
    .requiredOption('--cert <file>', 'certificate for wa.meta.vc (PEM)')
    .requiredOption('--key <file>', 'its key (PEM)')
    .addOption(new Option('--keying <keying>', 'as set on the numbers').choices(['sdes', 'dtls']).default('sdes'))
    .option('--g711', 'the numbers may use PCMA and PCMU too')
    .option('--behaviour <words>', 'how calls are met', (text: string) => checked(parseMetaBehaviour, text), 'tone')
    .option('--to <host:port>', 'the service\'s TLS listener, for Meta\'s BYE; without it the BYE comes on the connection of the INVITE')
    .option('--ca <file>', 'CA of the service\'s certificate (PEM)')
    .option('--server-name <host>', 'name its certificate must carry; default: --hostname')
    .option('--media <address>', 'address media is sent from', '127.0.0.1')
    .option('--tone <hz,hz>', 'own tone, and the one it changes to', frequencies)
    .option('--json', 'print whole reports')
    .addHelpText('after', `\nHow calls are met, words joined by commas:\n${META_BEHAVIOUR_HELP.map((l) => `  ${l}`).join('\n')}`)
    .action(async (flags: MetaFlags) => {
      if (flags.graph === undefined && [flags.number.length, flags.password.length, flags.hostname.length].includes(0)) throw new Error('--number, --password and --hostname, or --graph, are required');
      const meta = await startMeta({
        listen: flags.listen, cert: flags.cert, key: flags.key, to: flags.to, ca: flags.ca, serverName: flags.serverName ?? (flags.hostname === '' ? undefined : flags.hostname), mediaAddress: flags.media,
        numbers: flags.number.map((number) => ({ number, password: flags.password, hostname: flags.hostname, keying: flags.keying, g711: flags.g711 })),
        behaviour: flags.behaviour, tones: pair(flags.tone), expect: [], ledger: flags.graph === undefined ? undefined : new RemoteLedger(flags.graph),
      });
      const { listening } = meta.side;
      say({ ready: true, listening: `tls:${listening?.address}:${listening?.port}` });
      meta.on('call', (call) => { say({ call: call.callId, number: call.number, user: call.user }); });
      meta.on('refused', (attempt) => { say({ refused: attempt }); });
      meta.on('ended', (report) => {
        const { audio, ...rest } = report;
        say(flags.json === true ? report : {
          ended: rest.callId, by: rest.endedBy, status: rest.status, steps: rest.steps, toneHeard: audio?.toneHeard, packets: audio?.packetsReceived,
          digits: audio?.digits, violations: rest.violations,
        });
      });
      await new Promise<void>((resolve) => {
        process.once('SIGINT', () => { resolve(); });
        process.once('SIGTERM', () => { resolve(); });
      });
      await meta.close();
    });
}

async function place(peer: SimulatedPeer, uri: string, flags: PeerFlags): Promise<void> {
  const headers = Object.fromEntries((flags.header ?? []).map((h) => [h.slice(0, h.indexOf(':')).trim(), h.slice(h.indexOf(':') + 1).trim()]));
  const call = await peer.call(uri, { via: flags.via, headers, codecs: flags.codecs });
  if (await call.final === 200) {
    const { dtmf } = flags;
    const digits = dtmf === undefined ? undefined : setTimeout(() => { call.press(dtmf); }, 1000);
    await new Promise<void>((resolve) => {
      const timer = after(1000 * (flags.seconds ?? 5), resolve);
      call.once('ended', () => {
        clearTimeout(timer);
        resolve();
      });
    });
    clearTimeout(digits);
    await call.bye();
  }
  const report = call.report();
  say(flags.json === true ? report : summaryOf(call));
  if (!report.ok) process.exitCode = 1;
}

function summaryOf(call: PeerCall): object {
  const r = call.report();
  return {
    ended: r.callId, by: r.endedBy, status: r.status, codec: r.codec, toneHeard: r.toneHeard, packets: r.media?.received.packets, lost: r.media?.received.lost,
    digits: r.digits + r.infoDigits, faults: r.faults,
  };
}

function say(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function checked(parse: (text: string) => unknown, text: string): string {
  try {
    parse(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  return text;
}

const KNOWN: readonly Codec[] = ['opus', 'PCMU', 'PCMA', 'G722'];

function codecs(text: string): Codec[] {
  return text.split(',').map((name) => {
    const known = KNOWN.find((k) => k.toLowerCase() === name.trim().toLowerCase());
    if (known === undefined) throw new InvalidArgumentError(`codecs are ${KNOWN.join(', ')}`);
    return known;
  });
}

function frequencies(text: string): number[] {
  const list = text.split(',').map(Number);
  if (list.some((f) => !(f >= 0 && f < 4000))) throw new InvalidArgumentError('frequencies in Hz, below 4000');
  return list;
}

function pair(list: number[] | undefined): [number, number] | undefined {
  const first = list?.[0];
  return first === undefined ? undefined : [first, list?.[1] ?? first];
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('a number of seconds');
  return value;
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('a whole number');
  return value;
}
