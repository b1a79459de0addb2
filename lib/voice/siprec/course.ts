import type { Bridge } from '../../call/bridge.js';
import type { Revocable } from '../../call/watch/recheck.js';
import type { OutboundInvite } from '../../sip/invite.js';
import { formatReason } from '../../sip/headers.js';
import { deferred } from '../../util/deferred.js';
import type { Recordable } from '../recording/callRecorder.js';
import { Cast } from './cast.js';
import { openSession, type Opened } from './opening.js';

type Standing = Extract<Opened, { readonly session: unknown }>;

export interface CourseNews {
  /** A session stands. */
  began(bridge: Bridge, recorder: string, to: string): void;
  /** One is over: `why` null: with the call, or by order. */
  ended(bridge: Bridge, recorder: string, told: { readonly to: string; readonly seconds: number; readonly why: string | null }): void;
  /** There is none any more, and the call goes on. */
  lost(bridge: Bridge, recorder: string, why: string): void;
}

/** The recorders of one entry of siprec for one recording of a call: the next where one does not answer, or is lost. */
export class Course implements Recordable, Revocable {
  readonly #bridge: Bridge;
  readonly #recorder: string;
  readonly #news: CourseNews;
  readonly #cast: Cast;
  readonly #left: { readonly peer: string; readonly user: string }[];
  readonly #patience: number;
  readonly #over = deferred<void>();
  readonly #disown: (() => void)[] = [];
  #state: 'shut' | 'open' | 'paused' = 'shut';
  #standing: Standing | null = null;
  #pending: OutboundInvite | null = null;
  #stopped = false;

  /** @throws Error where the entry is gone */
  constructor(bridge: Bridge, recorder: string, news: CourseNews) {
    const { siprec } = bridge.context.rules().config;
    const config = Object.hasOwn(siprec, recorder) ? siprec[recorder] : undefined;
    if (config === undefined) throw new Error(`siprec.${recorder} is not configured any more`);
    this.#bridge = bridge;
    this.#recorder = recorder;
    this.#news = news;
    this.#cast = new Cast(bridge);
    this.#patience = config.answerWithin * 1000;
    // Those believed to be there first.
    const out = (name: string): boolean => {
      const peer = bridge.context.rules().config.peers[name];
      const located = peer === undefined ? null : bridge.context.locate({ peer: name, user: '', uri: peer.uri }, peer);
      return located === null || !located.reachable || located.out !== null;
    };
    this.#left = [...config.to.filter(({ peer }) => !out(peer)), ...config.to.filter(({ peer }) => out(peer))];
    const { call } = bridge;
    this.#disown.push(
      call.own(() => this.#end('ended')),
      call.observer.listen(({ type }) => {
        if (['held', 'resumed', 'transferred', 'answered'].includes(type)) queueMicrotask(() => { void this.#standing?.session.update(); });
      }),
    );
  }

  get over(): Promise<void> {
    return this.#over.promise;
  }

  pause(): void {
    this.#set('paused');
  }

  resume(): void {
    this.#set('open');
  }

  /** A changed configuration does not allow this recorder: the next has the call. */
  revoke(why: string): void {
    this.#standing?.session.revoke(why);
  }

  stop(): void {
    this.#bridge.call.track(this.#end('stopped'));
  }

  /** Resolves once a recorder has taken the call; false: it is not wanted any more. @throws Error where none has: why not */
  async begin(wanted: () => boolean = () => true): Promise<boolean> {
    const still = (): boolean => !this.#stopped && wanted();
    const faults: string[] = [];
    for (let to = this.#left.shift(); to !== undefined && still(); to = this.#left.shift()) {
      const opened = await openSession({
        bridge: this.#bridge, cast: this.#cast, recorder: this.#recorder, to, patience: this.#patience, wanted: still, invited: (invite) => { this.#pending = invite; },
      });
      this.#pending = null;
      if ('session' in opened) {
        this.#took(opened);
        if (still()) return true;
        this.#stopped = false;
        await this.#end('not wanted any more');
        return false;
      }
      faults.push(`${to.user}@${to.peer}: ${opened.why}`);
      this.#bridge.call.log.warn({ recorder: this.#recorder, to: `${to.user}@${to.peer}`, why: opened.why }, 'a recorder does not record this call');
    }
    this.#close();
    if (!still()) return false;
    throw new Error(faults.join('; ') || 'no further recorder is configured');
  }

  #set(state: 'open' | 'paused'): void {
    this.#state = state;
    this.#standing?.session.fork.set(state);
  }

  #took(standing: Standing): void {
    this.#standing = standing;
    const { session, entry, facts } = standing;
    this.#bridge.call.standing.set(this, facts);
    session.fork.set(this.#state);
    this.#news.began(this.#bridge, this.#recorder, entry.to);
    // Something may have changed while it was rung.
    void session.update();
    void session.ended.then(({ by, text }) => {
      if (this.#standing !== standing) return;
      this.#settle(standing, by === 'us' ? null : text);
      if (this.#stopped) return;
      this.#bridge.call.track(this.#next(by, `${entry.to}: ${text}`));
    });
  }

  /** A recorder that has hung up has had enough of this call; one that was lost is followed by the next. Never rejects. */
  async #next(by: 'us' | 'recorder' | 'lost', why: string): Promise<void> {
    if (by === 'lost') {
      try {
        if (this.#left.length > 0 && await this.begin()) return;
      } catch (error) {
        return this.#news.lost(this.#bridge, this.#recorder, `${why}; ${(error as Error).message}`);
      }
    }
    this.#close();
    if (!this.#stopped) this.#news.lost(this.#bridge, this.#recorder, why);
  }

  /** What the record says of it is known at once: it is written while the recorder is still told. */
  #settle(standing: Standing, why: string | null): void {
    const { entry, since, place, session: { fork } } = standing;
    this.#standing = null;
    this.#bridge.call.standing.delete(this);
    place.release();
    entry.seconds = Math.round((Date.now() - since) / 100) / 10;
    entry.why = why ?? fork.missing;
    this.#news.ended(this.#bridge, this.#recorder, { to: entry.to, seconds: entry.seconds, why });
  }

  async #end(text: string): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#pending?.cancel(formatReason('SIP', 487, text));
    const standing = this.#standing;
    if (standing !== null) this.#settle(standing, null);
    this.#close();
    await standing?.session.hangUp(text);
  }

  #close(): void {
    for (const disown of this.#disown.splice(0)) disown();
    this.#over.resolve();
  }
}
