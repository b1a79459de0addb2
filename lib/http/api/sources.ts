import type { CallControl, Ordered } from '../../call/control.js';
import type { CallOrder } from '../../call/ordered.js';
import type { EventBus } from '../../observe/events.js';
import type { RecordsSource } from './records.js';
import type { AliasView, CallDetailView, CallView, DrainView, MessageView, NumberView, PermissionView, RecentView } from './schemas.js';

/** Takes the service out of use, and into use again. */
export interface Drainer {
  status(): DrainView;
  /** In seconds; null: as the configuration says. `exit`: the process ends once no call is up. */
  begin(wanted: { readonly delay: number | null; readonly seconds: number | null; readonly exit: boolean }): DrainView;
  /** Null: the process is about to end. */
  callOff(): DrainView | null;
}

/** A call that was placed, or that was refused; `id` null: so early that it has no record. */
type Placed = { readonly id: string; readonly refused: null } | { readonly id: string | null; readonly refused: { readonly status: number; readonly code: string; readonly text: string } };

/** What the API asks of the service. `full`: users' numbers are shown. */
export interface ApiSources {
  readonly version: string;
  readonly bus: EventBus;
  /** Null: none are written. */
  readonly records: RecordsSource | null;
  readonly drainer: Drainer;
  /** Places a call, or says why not. Resolves before anybody is rung. */
  place(order: CallOrder): Promise<Placed>;
  calls(full: boolean): CallView[];
  /** A call that is up, or was lately; null: unknown. */
  call(id: string, full: boolean): Promise<CallDetailView | null>;
  /** Calls that have ended lately, the latest first. */
  recent(full: boolean): RecentView[];
  /** Null: unknown. */
  ladder(id: string, full: boolean): string | null;
  messages(id: string, full: boolean): string | null;
  /** The same one by one. */
  traced(id: string, full: boolean): MessageView[] | null;
  /** Its messages as pcapng. */
  capture(id: string, full: boolean): Buffer | null;
  /** Figures so far of a call that is up; null: unknown, or over. */
  media(id: string): Promise<{ meta: unknown; peer: unknown } | null>;
  /** False: unknown. One that is over is over. */
  hangUp(id: string): boolean;
  /** Carries an order out on a call that is up; null: unknown. */
  order(id: string, give: (control: CallControl) => Ordered): Ordered | null;
  /** The path of a sound file below api.sounds; or why there is none. */
  sound(file: string): Promise<{ readonly path: string } | { readonly missing: string }>;
  numbers(): NumberView[];
  /** Aliases of users without a number, in order, those behind `after`. */
  aliases(after: string, limit: number, full: boolean): AliasView[];
  /** Null: no such number. `ask`: the user is asked, where they may be. */
  permission(number: string, user: string, options: { readonly full: boolean; readonly ask: boolean }): Promise<PermissionView | null>;
}
