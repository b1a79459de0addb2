import type { Call } from '../call/call.js';
import type { Happening } from '../call/happening.js';
import type { CallTable } from '../call/table.js';
import type { Config } from '../config/types.js';
import type { Permission } from '../graph/permission/pair.js';
import { EventBus, type EventData } from '../observe/events.js';
import type { RouteTarget } from '../routing/types.js';
import type { Push } from '../registrar/push.js';
import type { Sidecar } from '../voice/recording/sidecar.js';
import type { Logger } from '../observe/logger.js';
import type { CallBack } from '../voice/queue/callBacks.js';
import type { Message } from '../voice/voicemail.js';

/** Events that are kept for listeners that come back: some minutes of a busy service, some megabytes. The live page looks anew, and needs few. */
const keep = 10_000;
const keepForPage = 500;

/** Puts what happens in the service into words for those outside. Where the configuration names nobody who hears it, nothing is done. */
export class News {
  /** Null: nobody can hear it. */
  readonly bus: EventBus | null;

  /** `rules`: the configuration in force; whether there is a bus is as of the start. */
  constructor(config: Config, table: CallTable, rules: () => Config, log: Logger) {
    const part = log.child({ part: 'events' });
    let business: { readonly of: Config; readonly numbers: ReadonlySet<string> } | null = null;
    const numbers = (): ReadonlySet<string> => {
      if (business?.of !== rules()) business = { of: rules(), numbers: new Set(Object.keys(rules().numbers)) };
      return business.numbers;
    };
    const forPrograms = config.api.listen !== null || config.events.webhooks.length > 0;
    const wanted = forPrograms || config.http.listen !== null;
    const bus = this.bus = wanted ? new EventBus({ keep: forPrograms ? keep : keepForPage, now: Date.now, business: numbers, onFault: (error) => part.error({ err: error }, 'an event could not be handed to somebody') }) : null;
    if (bus !== null) table.watch({ added: (call) => { call.observer.listen((what) => bus.tell(`call.${what.type}`, call.id, dataOf(call, what))); } });
  }

  /** A peer has gone out of service, which `why` says, or is back. */
  peer(peer: string, why: string | null): void {
    this.bus?.tell(why === null ? 'peer.up' : 'peer.down', null, { peer, why });
  }

  permission(number: string, user: string, { status, until, by }: Permission): void {
    this.bus?.tell('permission.changed', null, { number, user, status, until: until === null ? null : new Date(until).toISOString(), by });
  }

  /** Meta tells of a call of a user's that nobody took; `reached`: it had come here by SIP. */
  missed(number: string, user: string, wacid: string, reached: boolean): void {
    this.bus?.tell('call.missed', null, { number, user, wacid, reached });
  }

  /** A message that a user left at Meta is stored in `file`; null: it stays at Meta. */
  voicemail(number: string, user: string, wacid: string, file: string | null): void {
    this.bus?.tell('voicemail.received', null, { number, user, wacid, file });
  }

  /** A recording is whole, or as whole as it could be made. `call` null: its process is no more. */
  recorded(call: Call | null, { call: id, file, channels, began, seconds, bytes, sha256, lost, closed, why, recovered, ...known }: Sidecar): void {
    const { direction, number, user, wacid, reference } = call === null ? known : { ...call.facts, direction: call.direction };
    this.bus?.tell('call.recorded', id, { direction, number, user, wacid, reference, file, channels: channels.length, began, seconds, bytes, sha256, lost, closed, why, recovered });
  }

  /** A call that is to be recorded is not, or not any more. `file`: what there is of it. */
  recordingFailed({ id, direction, facts: { number, user, wacid, reference } }: Call, file: string | null, why: string): void {
    this.bus?.tell('recording.failed', id, { direction, number, user, wacid, reference, file, why });
  }

  /** A recorder has a call now, or has it no more; or none has it, and why. `to`: user@peer. */
  siprec(what: 'started' | 'ended' | 'failed', { id, direction, facts: { number, user, wacid, reference } }: Call, told: { readonly recorder: string; readonly to: string | null; readonly seconds: number | null; readonly why: string | null }): void {
    this.bus?.tell(`siprec.${what}`, id, { direction, number, user, wacid, reference, ...told });
  }

  /** A message that a user left here. */
  message({ number, user, wacid, ...message }: Message): void {
    this.bus?.tell('voicemail.recorded', null, { number, user, wacid, ...message });
  }

  /** A user who has left a queue is to be called back; has been; or will not be, and why. `call`: by which they came; of `done`, by which they were called. */
  callBack(what: 'kept' | 'done' | 'dropped', { number, user, queue, tries }: CallBack, call: string, why: string | null): void {
    this.bus?.tell(`callBack.${what}`, call, { number, user, queue, tries, why });
  }

  /** An app is to be woken for this call, which waits for it so many seconds. */
  push({ id, direction, facts: { number, user, wacid, reference } }: Call, { peer, user: account }: Pick<RouteTarget, 'peer' | 'user'>, { provider, prid, param }: Push, wait: number): void {
    this.bus?.tell('phone.push', id, { direction, number, user, wacid, reference, peer, account, provider, prid, param, wait });
  }

  number(number: string, news: EventData): void {
    this.bus?.tell('number.changed', null, { number, ...news });
  }
}

function dataOf({ direction, facts }: Call, what: Happening): EventData {
  const { number, user, wacid, reference } = facts;
  const call = { direction, number, user, wacid, reference };
  switch (what.type) {
    case 'created': return { ...call, peer: facts.peer, account: facts.account, payload: facts.payload, country: facts.country };
    case 'transferred':
    case 'transferFailed': return { ...call, ...what.transfer };
    case 'ended': {
      const { termination: { by, reason, result, status, text }, setupMs, durationMs, metaDuration, peer, target } = what.record;
      return { ...call, peer, target, by, reason, result, status, text, setupMs, durationMs, metaDuration };
    }
    default: {
      const { type: _type, ...more } = what;
      return { ...call, ...more };
    }
  }
}
