import { digit, fault, mark, octetsOf, parse, samplesOf, textIn, transfer } from './reading.js';
import type { AgentCall, AgentRate, AgentWord, Dialect, Message, TransferNews } from './types.js';

/** Ours: 16-bit little-endian samples in binary frames both ways, a packet time in each of ours; everything else as JSON. */
export class RawDialect implements Dialect {
  readonly #call: AgentCall;
  readonly #rate: AgentRate;

  constructor(call: AgentCall, rate: AgentRate) {
    this.#call = call;
    this.#rate = rate;
  }

  begin(): Message[] {
    const { id, number, user, wacid, payload, direction, reconnected, listens } = this.#call;
    return [JSON.stringify({
      type: 'start', call: { id, number, user, wacid, payload, direction }, media: { encoding: 'L16', sampleRate: this.#rate, channels: listens ? 2 : 1, ptime: 20, endianness: 'little' }, reconnected,
    })];
  }

  audio(pcm: Int16Array): Message[] {
    return [octetsOf(pcm)];
  }

  digit(digit: string, durationMs: number): Message {
    return JSON.stringify({ type: 'dtmf', digit, durationMs });
  }

  mark(name: string, cleared: boolean): Message {
    return JSON.stringify({ type: 'mark', name, cleared });
  }

  transferring({ status, text, code }: TransferNews): Message {
    return JSON.stringify(code === null ? { type: 'transfer', status, text } : { type: 'error', of: 'transfer', code, status, text });
  }

  stop(reason: string): Message {
    return JSON.stringify({ type: 'stop', reason });
  }

  read(data: Buffer, binary: boolean): AgentWord {
    if (binary) return { kind: 'audio', pcm: samplesOf(data), rate: this.#rate };
    const fields = parse(data);
    if (fields === null) return fault('no JSON');
    switch (textIn(fields, 'type')) {
      case 'clear': return { kind: 'clear' };
      case 'mark': return mark(textIn(fields, 'name'));
      case 'dtmf': return digit(textIn(fields, 'digit'));
      case 'hangup': return { kind: 'hangup' };
      case 'transfer': return transfer(fields);
      default: return fault('a message of no type that is known');
    }
  }
}
