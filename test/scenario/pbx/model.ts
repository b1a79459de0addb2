import { engines } from '../../helpers/engines.js';
import type { PeerCall } from '../../../lib/simulator/peer/call.js';
import type { CallRecord, TransferRecord } from '../../../lib/call/record.js';
import { number } from '../../helpers/service.js';
import { pause, type Stage } from '../harness.js';
import { dial, hears, recordOf, tonesOf, until } from './steps.js';

/** Numbers that are the same for the same seed (mulberry32). */
export function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

type WhatsApp = ReturnType<Stage['user']> | Awaited<ReturnType<Stage['answerAsMeta']>>['liveCalls'][number];
type HoldKind = 'sendonly' | 'inactive' | 'zero';

/** How a PBX user begins: the direction of the first description, and whether answers have other payload numbers than our offers. */
interface Beginning { readonly first: 'sendrecv' | 'sendonly' | 'inactive'; readonly renumber: 'offered' | 'own' | undefined }

/** One call as it should be: what each side sees, and the record to come. */
interface Model {
  /** Who the user talks with; all who took part. */
  party: PeerCall;
  readonly parties: PeerCall[];
  target: string | null;
  held: HoldKind | null;
  /** Those who have never listened. */
  readonly deaf: Set<PeerCall>;
  readonly transfers: Pick<TransferRecord, 'kind' | 'to' | 'status'>[];
  /** Digits that the user has heard, and each party. */
  digits: string;
  readonly pressed: Map<PeerCall, string>;
  endedBy: readonly ('user' | 'peer')[] | null;
}

export interface Played {
  readonly seed: number;
  readonly steps: string[];
  /** What differs from the model; empty when all is well. */
  readonly faults: string[];
}

/** PBX users: 6001 is called first, 6002 takes transfers, 6003 is busy. */
export const answers: Record<string, string> = { '6001': 'tone', '6002': 'tone,delay=0.05', '6003': 'busy' };

/** What the PBX may ask of the service at any time. */
export const credentials = { username: 'wab', password: 'between us' };

/** Plays the sequence of a seed: first descriptions of every direction, answers with numbers of their own, hold, resume, refreshes, transfers, pick-up, digits, hang-up by either side or both. */
export async function play(stage: Stage, meta: Awaited<ReturnType<Stage['answerAsMeta']>>, seed: number): Promise<Played> {
  const played: Played = { seed, steps: [], faults: [] };
  try {
    await playInto(stage, meta, played);
  } catch (error) {
    played.faults.push(`${played.steps.length}. ${played.steps.at(-1)}: ${(error as Error).message}`);
  }
  // What a sequence that failed left behind must not spoil the next.
  if (played.faults.length > 0) await Promise.allSettled([...meta.liveCalls.map((call) => call.hangUp()), ...stage.peers.pbx!.liveCalls.map((call) => call.bye())]);
  return played;
}

async function playInto(stage: Stage, meta: Awaited<ReturnType<Stage['answerAsMeta']>>, { seed, steps, faults }: Played): Promise<void> {
  const random = randomOf(seed);
  const pbx = stage.peers.pbx!;
  const expect = (ok: boolean, what: string): void => { if (!ok) faults.push(`${steps.length}. ${steps.at(-1)}: ${what}`); };
  const status = async (what: string, wanted: number, got: Promise<number>): Promise<void> => {
    const found = await got;
    expect(found === wanted, `${what} was answered ${found}, not ${wanted}`);
  };
  const uriOf = (user: string): string => `sip:${user}@127.0.0.1:${pbx.port}`;

  const beginning = (): Beginning => {
    const first = (['sendrecv', 'sendrecv', 'sendrecv', 'sendrecv', 'sendonly', 'inactive'] as const)[random(6)]!;
    const numbers = ([undefined, undefined, undefined, undefined, 'offered', 'own'] as const)[random(6)]!;
    // FreeSWITCH 1.10.12 hangs up on whoever answers with other numbers (A2).
    const renumber = engines.media === 'freeswitch' ? undefined : numbers;
    if (first !== 'sendrecv') steps[steps.length - 1] += ` ${first}`;
    if (renumber !== undefined) steps[steps.length - 1] += `, numbers ${renumber}`;
    return { first, renumber };
  };
  /** The PBX's next answer begins so. */
  const answering = (): Beginning => {
    const next = beginning();
    pbx.answer = (user) => {
      const words = answers[user] ?? 'notfound';
      return words.startsWith('tone') ? `${words},first=${next.first}${next.renumber === undefined ? '' : next.renumber === 'own' ? ',renumber=own' : ',renumber'}` : words;
    };
    return next;
  };
  const holdOf = ({ first }: Beginning): HoldKind | null => (first === 'sendrecv' ? null : first);

  const begin = async (): Promise<{ whatsapp: WhatsApp; model: Model }> => {
    const model = (party: PeerCall, target: string | null, how: Beginning): Model =>
      ({ party, parties: [party], target, held: holdOf(how), deaf: new Set(holdOf(how) === null ? [] : [party]), transfers: [], digits: '', pressed: new Map(), endedBy: null });
    if (random(3) === 0) {
      steps.push('business-initiated call');
      const how = beginning();
      // Another user each time: Meta connects one no more than a hundred times a day.
      const delayedOffer = random(3) === 0;
      if (delayedOffer) steps[steps.length - 1] += ', delayed offer';
      const call = await dial(stage, { ...how, delayedOffer }, `+4477009001${String(seed % 100).padStart(2, '0')}`);
      await status('the call', 200, call.final);
      return { whatsapp: meta.liveCalls[0]!, model: model(call, null, how) };
    }
    steps.push('user-initiated call');
    const how = answering();
    const user = stage.user({ expect: tonesOf.pbx, tones: tonesOf.user });
    await status('the call', 200, user.place());
    return { whatsapp: user, model: model(pbx.lastCall!, '6001', how) };
  };
  const { whatsapp, model } = await begin();
  // What comes in a leg's first instant may be a stranger's, and is not judged.
  await pause(300);

  const moveTo = async (party: PeerCall, target: string, how: Beginning): Promise<void> => {
    const before = model.party;
    Object.assign(model, { party, target, held: holdOf(how) });
    model.parties.push(party);
    if (model.held !== null) model.deaf.add(party);
    await until(() => before.ended, 'who had the user before leaves');
    // Answered comes before heard: digits in between are nobody's. Who does not listen cannot tell when that is.
    if (model.held === null) await hears(party, 'tone', 2);
    else await pause(300);
  };
  /** It listens from now on. */
  const listens = (): void => {
    model.held = null;
    model.deaf.delete(model.party);
  };
  const transfer = async (kind: 'blind' | 'attended', leaves: boolean): Promise<void> => {
    let target: PeerCall | null = null;
    const how = answering();
    void pbx.nextCall().then((call) => { target = call; });
    const replaces = kind === 'attended' ? `?Replaces=${encodeURIComponent(`consult-${seed}-${steps.length}@pbx;to-tag=a;from-tag=b`)}` : '';
    await status('REFER', 202, model.party.refer(`${uriOf('6002')}${replaces}`));
    if (leaves) await model.party.bye();
    await until(() => target?.report().status === 200, 'the target answers');
    model.transfers.push({ kind, to: '6002@pbx', status: 200 });
    await moveTo(target!, '6002', how);
  };

  const actions: Record<string, { readonly may: () => boolean; readonly run: () => Promise<void> }> = {
    hold: { may: () => model.held === null, run: async () => {
      const kinds = ['sendonly', 'inactive', 'zero'] as const;
      const kind = kinds[random(kinds.length)]!;
      steps[steps.length - 1] += ` ${kind}`;
      await status('hold', 200, model.party.hold(kind));
      model.held = kind;
    } },
    resume: { may: () => model.held !== null, run: async () => {
      await status('resume', 200, model.party.resume('tone'));
      listens();
    } },
    'resume without an offer': { may: () => true, run: async () => {
      await status('re-INVITE', 200, model.party.reinviteOfferless('tone'));
      listens();
    } },
    'refresh by UPDATE': { may: () => true, run: () => status('UPDATE', 200, model.party.update()) },
    'refresh by re-INVITE': { may: () => model.held !== 'zero', run: () => status('re-INVITE', 200, model.party.reinvite(model.held === null ? 'sendrecv' : model.held === 'sendonly' ? 'sendonly' : 'inactive', false)) },
    'a codec nobody has': { may: () => true, run: async () => {
      const sdp = 'v=0\r\no=pbx 1 99 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n';
      await status('UPDATE', 488, model.party.ask('UPDATE', { 'Content-Type': 'application/sdp' }, sdp).then((response) => response?.status ?? 0));
    } },
    'peer presses': { may: () => model.held === null || model.held === 'sendonly', run: async () => {
      const digit = String(random(10));
      model.digits += digit;
      expect(model.party.press(digit, 80), 'telephone events are negotiated');
      await until(() => whatsapp.report().audio!.digits.length >= model.digits.length, `the user hears ${digit}`);
      // Heard as it begins: what comes next finds it over, its three end packets sent.
      await pause(250);
    } },
    'user presses': { may: () => model.held === null, run: async () => {
      const digit = String(random(10));
      const wanted = (model.pressed.get(model.party) ?? '') + digit;
      model.pressed.set(model.party, wanted);
      await whatsapp.press(digit, 80);
      await until(() => model.party.report().digits.length >= wanted.length, `the peer hears ${digit}`);
      await pause(250);
    } },
    'challenging from now on': { may: () => model.party.demands === undefined, run: async () => {
      // Whatever ends this dialog, or is told in it: our request is sent again with credentials.
      model.party.demands = { ...credentials, status: random(2) === 0 ? 401 : 407, algorithms: random(2) === 0 ? ['MD5'] : ['SHA-256', 'MD5'], realm: 'pbx' };
      return Promise.resolve();
    } },
    'another source': { may: () => true, run: async () => { model.party.changeSource(); return Promise.resolve(); } },
    'blind transfer': { may: () => true, run: () => transfer('blind', false) },
    'blind transfer, leaving at once': { may: () => true, run: () => transfer('blind', true) },
    'attended transfer': { may: () => true, run: () => transfer('attended', random(2) === 0) },
    'transfer to one who is busy': { may: () => true, run: async () => {
      const told = model.party.report().notified.length;
      await status('REFER', 202, model.party.refer(uriOf('6003')));
      await until(() => model.party.report().notified.slice(told).some((line) => line.includes('486')), 'NOTIFY 486');
      model.transfers.push({ kind: 'blind', to: '6003@pbx', status: 486 });
    } },
    'transfer to a telephone number': { may: () => true, run: async () => {
      await status('REFER', 403, model.party.refer(uriOf('+447700900555')));
      model.transfers.push({ kind: 'blind', to: null, status: 403 });
    } },
    'pick-up': { may: () => true, run: async () => {
      const { callId, local, remote } = model.party.ids();
      const how = beginning();
      const call = await pbx.call(`sip:pickup@127.0.0.1:${stage.running.udp.port}`, {
        ...how, from: '<sip:6005@pbx.example>', headers: { Replaces: `${callId};to-tag=${remote};from-tag=${local}` }, delayedOffer: random(2) === 0,
      });
      await status('the pick-up', 200, call.final);
      model.transfers.push({ kind: 'pickup', to: '6005@pbx', status: 200 });
      await moveTo(call, '6005', how);
    } },
    'user hangs up': { may: () => steps.length > 3, run: async () => {
      model.endedBy = ['user'];
      await whatsapp.hangUp();
    } },
    'peer hangs up': { may: () => steps.length > 3, run: async () => {
      model.endedBy = ['peer'];
      await model.party.bye();
    } },
    'both hang up': { may: () => steps.length > 3, run: async () => {
      model.endedBy = ['user', 'peer'];
      await Promise.all([whatsapp.hangUp(), model.party.bye()]);
    } },
  };

  const most = 4 + random(6);
  while (model.endedBy === null && faults.length === 0) {
    const names = steps.length > most ? ['user hangs up', 'peer hangs up', 'both hang up'] : Object.keys(actions).filter((name) => actions[name]!.may());
    const name = names[random(names.length)]!;
    // Who sends and has never listened announces something; later the same words are a hold.
    const tone = model.held === null || (model.held === 'sendonly' && model.deaf.has(model.party));
    if (name.includes('hang')) await hears(whatsapp, tone ? 'tone' : 'music', 3);
    steps.push(name);
    await actions[name]!.run();
  }
  await until(() => whatsapp.ended && model.parties.every((party) => party.ended), 'every side has ended');
  compare(whatsapp, model, await recordOf(stage, whatsapp), expect);
}

/** Both sides' views and the record against the model. */
function compare(whatsapp: WhatsApp, model: Model, cdr: CallRecord, expect: (ok: boolean, what: string) => void): void {
  const report = whatsapp.report();
  const { received } = report.audio!.detail;
  // BYEs that cross: the later one finds no dialog (RFC 3261 §15.1.2).
  const breaches = report.violations.filter(({ detail }) => model.endedBy!.length < 2 || detail !== 'BYE was answered 481');
  expect(breaches.length === 0, `at Meta: ${JSON.stringify(breaches)}`);
  expect(received.ssrcs.length === 1 && received.sources.length === 1, `SSRCs ${received.ssrcs.join()}, sources ${received.sources.join()}`);
  expect(received.maxGapMs < 1000 + report.pacerLateMs, `a gap of ${received.maxGapMs} ms`);
  const asked = report.messages.filter((line) => /^< [A-Z]+ /.test(line)).map((line) => line.split(' ')[1]);
  expect(asked.every((method) => ['INVITE', 'ACK', 'BYE'].includes(method!)), `requests to Meta: ${asked.join()}`);
  expect(report.audio!.digits === model.digits, `the user heard ${report.audio!.digits}, not ${model.digits}`);
  for (const party of model.parties) {
    const { faults, digits, infoDigits, media } = party.report();
    if (model.deaf.has(party)) expect(media!.received.packets === 0, `${media!.received.packets} packets to a peer that never listened`);
    // A BYE that crosses ours is answered 481 (RFC 3261 §15.1.2).
    const real = faults.filter((fault) => !/^BYE was answered 481/.test(fault));
    expect(real.length === 0, `at the peer: ${real.join('; ')}`);
    expect(digits === (model.pressed.get(party) ?? '') && infoDigits === '', `the peer heard ${digits}, by INFO ${infoDigits}, not ${model.pressed.get(party) ?? ''}`);
  }
  const { by, reason } = cdr.termination;
  expect(model.endedBy!.includes(by as 'user' | 'peer') && reason === 'hangup', `the record says ${by} ${reason}`);
  expect(cdr.number === number && cdr.target === model.target, `the record says target ${cdr.target}, not ${model.target}`);
  const transfers = cdr.transfers.map(({ kind, to, status }) => ({ kind, to, status }));
  expect(JSON.stringify(transfers) === JSON.stringify(model.transfers), `the record says ${JSON.stringify(transfers)}`);
}
