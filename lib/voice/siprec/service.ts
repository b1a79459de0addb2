import type { Bridge } from '../../call/bridge.js';
import type { Call } from '../../call/call.js';
import type { CallRecorders, RecordControl, SiprecManner } from '../../call/recording.js';
import type { Logger } from '../../observe/logger.js';
import { CallRecorder } from '../recording/callRecorder.js';
import { Course, type CourseNews } from './course.js';

/** What there was since the start, for metrics. */
export interface SiprecFigures {
  readonly active: number;
  /** recorded: to the end of the call, or as ordered; lost: ended before; failed: no recorder took the call. */
  readonly outcomes: Readonly<Record<'recorded' | 'lost' | 'failed', number>>;
}

/** What others are told of it. */
export interface SiprecNews {
  started(call: Call, recorder: string, to: string): void;
  ended(call: Call, recorder: string, told: { readonly to: string; readonly seconds: number; readonly why: string | null }): void;
  /** The call goes on, and is recorded by nobody there. */
  failed(call: Call, recorder: string, why: string): void;
}

/** Has calls recorded by recorders of others: a client of RFC 7866. Nothing of it delays a call, or ends it. */
export class SiprecService implements CallRecorders, CourseNews {
  readonly #log: Logger;
  readonly #news: SiprecNews;
  readonly #outcomes = { recorded: 0, lost: 0, failed: 0 };
  #active = 0;

  constructor(log: Logger, news: SiprecNews) {
    this.#log = log;
    this.#news = news;
  }

  get figures(): SiprecFigures {
    return { active: this.#active, outcomes: this.#outcomes };
  }

  of(bridge: Bridge, manner: SiprecManner | null): RecordControl | null {
    if (manner === null) return null;
    const { recorder } = manner;
    return new CallRecorder(bridge, manner, {
      begin: async (_bridge, _index, wanted) => {
        const course = new Course(bridge, recorder, this);
        return await course.begin(wanted) ? course : null;
      },
      failed: (_bridge, why) => {
        this.#outcomes.failed += 1;
        this.#log.error({ call: bridge.call.id, recorder, why }, 'a call that is to be recorded by a recorder is not');
        this.#news.failed(bridge.call, recorder, why);
      },
    });
  }

  began({ call }: Bridge, recorder: string, to: string): void {
    this.#active += 1;
    this.#log.info({ call: call.id, recorder, to }, 'a recorder has a call');
    this.#news.started(call, recorder, to);
  }

  ended({ call }: Bridge, recorder: string, told: { readonly to: string; readonly seconds: number; readonly why: string | null }): void {
    this.#active -= 1;
    this.#outcomes[told.why === null ? 'recorded' : 'lost'] += 1;
    this.#log.info({ call: call.id, recorder, ...told }, 'a recording session is over');
    this.#news.ended(call, recorder, told);
  }

  lost({ call }: Bridge, recorder: string, why: string): void {
    this.#log.error({ call: call.id, recorder, why }, 'a call is no longer recorded by a recorder');
    this.#news.failed(call, recorder, why);
  }
}
