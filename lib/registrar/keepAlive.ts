import type { OptionsOutcome } from '../sip/options.js';
import type { SipHeaders } from '../sip/drachtio.js';
import type { Binding } from './bindings.js';
import { addressOf } from './bindings.js';
import type { Registrar } from './registrar.js';
import { unbracketed } from '../util/hostPort.js';

/** Where a request to a device goes. */
export interface DeviceAddress {
  readonly uri: string;
  readonly proxy: string;
  readonly headers: SipHeaders;
}

export interface KeepAliveOptions {
  readonly registrar: Registrar;
  /** OPTIONS, given up after `timeout` milliseconds; null when there is no way to ask now. */
  readonly ask: (to: DeviceAddress, timeout: number) => Promise<OptionsOutcome | null>;
  /** How often it is looked whether an OPTIONS is due, milliseconds. */
  readonly tick?: number;
}

interface Beat {
  due: number;
  /** The device has answered an OPTIONS before: its silence means something. */
  answers: boolean;
  misses: number;
  asking: boolean;
}

const answerWithin = 4000;
/** After so many OPTIONS in a row without an answer a device that used to answer is taken for gone. */
const lostAfter = 3;

/**
 * Keeps the NAT open in front of UDP phones (RFC 5626 §1: a phone that does not do it itself is unreachable after half a minute) with OPTIONS to
 * where each registered from, and forgets a device that has gone without a word. Phones on TCP and TLS are known by their connection.
 */
export function keepAlive({ registrar, ask, tick = 1000 }: KeepAliveOptions): { close(): void } {
  let beats = new Map<string, Beat>();
  let closed = false;

  const look = (): void => {
    const before = beats;
    beats = new Map();
    const now = Date.now();
    for (const binding of registrar.all()) {
      const interval = registrar.homeOf(binding.user)?.peer.registration.keepAlive ?? 0;
      if (interval === 0 || binding.source.protocol !== 'udp' || !behindNat(binding)) continue;
      const key = `${binding.user} ${binding.contact} ${binding.source.address} ${binding.source.port}`;
      const beat = before.get(key) ?? { due: now + interval * 1000, answers: false, misses: 0, asking: false };
      beats.set(key, beat);
      if (beat.asking || beat.due > now) continue;
      beat.asking = true;
      void send(binding, beat, interval);
    }
  };

  const send = async (binding: Binding, beat: Beat, interval: number): Promise<void> => {
    const outcome = await ask(addressOf(binding), answerWithin);
    beat.asking = false;
    beat.due = Date.now() + interval * 1000;
    if (closed || outcome === null) return;
    beat.misses = outcome.answered ? 0 : beat.misses + 1;
    beat.answers ||= outcome.answered;
    if (beat.answers && beat.misses >= lostAfter) registrar.forget(binding, `no answer to ${lostAfter} keep-alives`);
  };

  const timer = setInterval(look, tick);
  timer.unref();
  return {
    close(): void {
      closed = true;
      clearInterval(timer);
      beats.clear();
    },
  };
}

/** What it calls its address is not where its packets come from. */
function behindNat({ uri, source }: Binding): boolean {
  return unbracketed(uri.host) !== source.address || (uri.port ?? 5060) !== source.port;
}
