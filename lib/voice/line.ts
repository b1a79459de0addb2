import type { Bridge } from '../call/bridge.js';
import type { Call } from '../call/call.js';
import type { UserInitiated } from '../call/context.js';
import type { Config, RouteConfig } from '../config/types.js';
import type { MediaCall } from '../media/types.js';
import { after } from '../util/after.js';
import { deferred } from '../util/deferred.js';
import type { KeyPad } from './keyPad.js';

/** The WhatsApp user's end of a call, as menus, queues and boxes see it. */
export interface Line {
  readonly call: Call;
  readonly context: UserInitiated;
  readonly media: MediaCall;
  readonly bridge: Bridge;
  /** The configuration in force when the call came: its course keeps to that. Policy judges each target by the one in force then. */
  readonly config: Config;
  readonly route: RouteConfig;
  readonly keys: KeyPad;
  /** Resolves when Meta's offer has proved usable: before, nobody is rung. */
  readonly ready: Promise<unknown>;
  /** Meta has been answered, or is being answered. */
  readonly accepted: boolean;
  /** Answers Meta, once, whoever asks for it first. False when the call is over. */
  accept(): Promise<boolean>;
  /** Resolves when the user is there to hear. */
  heard(): Promise<void>;
  /** Somebody who is called rings. */
  ring(): void;
}

/** Time that passes in a call: `over` resolves when it has, or when the call ends. `close` gives up waiting. */
export interface Wait {
  readonly over: Promise<void>;
  close(): void;
}

export function wait(call: Call, ms: number): Wait {
  const { promise, resolve } = deferred<void>();
  const timer = after(ms, resolve);
  const release = call.own(() => {
    clearTimeout(timer);
    resolve();
  });
  return {
    over: promise,
    close: () => {
      clearTimeout(timer);
      release();
    },
  };
}

/** Plays a file to the user, to its end or until something else is played. False: it cannot be played, which the log tells. `what`: its key path. */
export async function say({ call, media }: Line, file: string, what: string): Promise<boolean> {
  try {
    await media.play({ file, loop: false });
    return true;
  } catch (error) {
    if (!call.over) call.log.error({ file, err: (error as Error).message }, `${what} cannot be played`);
    return false;
  }
}

/** The key that is pressed while something plays, which stops it; null: none was. */
export async function during({ media, keys }: Line, played: Promise<unknown>): Promise<string | null> {
  const key = await keys.next(played);
  if (key !== null) await media.play(null);
  return key;
}
