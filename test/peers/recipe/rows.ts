import type { SimulatedUser } from '../../../lib/simulator/index.js';
import type { RecipeStage } from './stage.js';

/** What a PBX said to a call for one of its users, and what became of it. */
export interface Row {
  /** Status line without the version. */
  readonly said: string;
  /** Reason header values of that response; null when there is none. */
  readonly reason: string | null;
  /** Our reason for it, with who. */
  readonly taken: string;
  /** The next target rang. */
  readonly wentOn: boolean;
  /** Seconds from the INVITE to the refusal. */
  readonly seconds: number;
}

/** What Kamailio and OpenSIPS say, which hand on what the phones do. */
export const rowsOfProxy = {
  6003: ['busy, or rejected with 486', { said: '486 Busy Here', reason: null, taken: 'peer busy', wentOn: true }],
  6004: ['nobody answers', { said: '480 No answer', reason: null, taken: 'peer noAnswer', wentOn: true }],
  6005: ['rejected with 603', { said: '603 Decline', reason: null, taken: 'peer declined', wentOn: false }],
  6006: ['the phone is gone', { said: '480 No answer', reason: null, taken: 'peer noAnswer', wentOn: true }],
  6007: ['no phone is registered', { said: '480 Not registered', reason: null, taken: 'peer noAnswer', wentOn: true }],
  6008: ['do not disturb, 480', { said: '480 Temporarily Unavailable', reason: null, taken: 'peer noAnswer', wentOn: true }],
} as const;

/** Routes by which a call with the payload `to-USER` goes to that user, then to `next`, and one with `only-USER` to `first` alone. */
export function rowRoutes(number: string, peer: string, users: readonly string[], [first, next]: readonly [string, string]): object[] {
  return [{ name: 'only', number, payload: `^only-${first}$`, to: [{ peer, user: first }], ringTimeout: 20 }, ...users.map((user) => ({ name: `to-${user}`, number, payload: `^to-${user}$`, to: [{ peer, user }, { peer, user: next }], ringTimeout: 40 }))];
}

/** Calls `user`, who is not to answer; whoever is next may. The call is hung up. */
export async function rowOf(stage: RecipeStage, user: string, caller: SimulatedUser = stage.user({ payload: `to-${user}`, expect: [] })): Promise<Row> {
  const from = stage.log.length;
  const status = await caller.place();
  if (status === 200) await caller.hangUp();
  const { id } = await stage.recordOf(caller);
  const line = stage.log.slice(from).map((text) => JSON.parse(text) as { msg: string; ended?: { by: string; reason: string } }).find(({ msg }) => msg === 'a target did not take the call');
  const messages = (await stage.sipOf(id)).split(/^#### /m);
  const time = (message: string | undefined): number => Date.parse(/^\S+/.exec(message ?? '')?.[0] ?? '');
  const refusal = messages.find((message) => /\(from (?!Meta)[^)]*\)\r?\nSIP\/2\.0 (?!401|407)[3-6]\d\d /.test(message) && /^CSeq: \d+ INVITE/m.test(message));
  const invite = messages.find((message) => /\(to (?!Meta)[^)]*\)\r?\nINVITE /.test(message));
  return {
    said: /^SIP\/2\.0 (.*?)\r?$/m.exec(refusal ?? '')?.[1] ?? 'nothing',
    reason: [...(refusal ?? '').matchAll(/^Reason: (.*?)\r?$/gm)].map(([, value]) => value).join(', ') || null,
    taken: line?.ended === undefined ? 'nothing' : `${line.ended.by} ${line.ended.reason}`,
    wentOn: status === 200,
    seconds: Math.round((time(refusal) - time(invite)) / 1000),
  };
}

/** Requests of the PBX within the call, in their order, without ACK: method, the direction of a description, who a transfer leads to, who is said to be connected. */
export function requestsOf(sip: string): string[] {
  const messages = sip.split(/^#### /m).filter((message) => /\(from (?!Meta)[^)]*\)\r?\n[A-Z]+ sip/.test(message));
  return messages.flatMap((message) => {
    const method = /\n([A-Z]+) sip/.exec(message)?.[1] ?? '';
    if (['ACK', 'OPTIONS', 'PRACK'].includes(method)) return [];
    const direction = /^a=(sendrecv|sendonly|recvonly|inactive)\r?$/m.exec(message)?.[1];
    const to = /^Refer-To: .*?sips?:([^@;>]+)@/m.exec(message)?.[1];
    const identity = /^P-Asserted-Identity: .*?sips?:([^@;>]+)@/m.exec(message)?.[1];
    const replaces = /^Refer-To:.*Replaces/m.test(message);
    return [[method, direction, to === undefined ? undefined : `to ${to}`, replaces ? 'with Replaces' : undefined, identity === undefined ? undefined : `PAI ${identity}`].filter((part) => part !== undefined).join(' ')];
  });
}
