import { readWav } from '../../../media/prompts/pcm.js';
import { base64, digit, fault, fieldsOf, mark, octetsOf, parse, samplesOf, textIn, transfer, type Fields } from './reading.js';
import { isKnownRate } from './rates.js';
import type { AgentCall, AgentRate, AgentWord, Dialect, Message, TransferNews } from './types.js';

/**
 * The listen verb of jambonz with bidirectional streaming (docs.jambonz.org/verbs/verbs/listen): attributes of the call, then 16-bit samples in binary frames
 * both ways; commands as JSON. Of ours are dtmf and transfer to us.
 */
export class JambonzDialect implements Dialect {
  static readonly protocol = 'audio.jambonz.org';
  readonly #call: AgentCall;
  readonly #rate: AgentRate;

  constructor(call: AgentCall, rate: AgentRate) {
    this.#call = call;
    this.#rate = rate;
  }

  begin(): Message[] {
    const { id, number, user, wacid, payload, direction, reconnected, listens } = this.#call;
    const inbound = direction === 'user-initiated';
    return [JSON.stringify({
      callSid: id, direction: inbound ? 'inbound' : 'outbound', from: inbound ? user : number, to: inbound ? number : user, sampleRate: this.#rate, mixType: listens ? 'stereo' : 'mono',
      metadata: { number, user, wacid, payload, direction, ...(reconnected ? { reconnected } : {}) },
    })];
  }

  audio(pcm: Int16Array): Message[] {
    return [octetsOf(pcm)];
  }

  digit(digit: string, durationMs: number): Message {
    return JSON.stringify({ event: 'dtmf', dtmf: digit, duration: String(durationMs) });
  }

  mark(name: string, cleared: boolean): Message {
    return JSON.stringify({ type: 'mark', data: { name, event: cleared ? 'cleared' : 'playout' } });
  }

  transferring({ status, text, code }: TransferNews): Message {
    return JSON.stringify({ event: 'transfer', status, text, ...(code === null ? {} : { code }) });
  }

  /** jambonz closes the socket. */
  stop(): null {
    return null;
  }

  read(data: Buffer, binary: boolean): AgentWord {
    if (binary) return { kind: 'audio', pcm: samplesOf(data), rate: this.#rate };
    const fields = parse(data);
    if (fields === null) return fault('no JSON');
    const more = fieldsOf(fields.get('data'));
    switch (textIn(fields, 'type')) {
      case 'playAudio': return this.#played(more);
      case 'mark': return mark(textIn(more, 'name'));
      case 'killAudio': return { kind: 'clear' };
      case 'disconnect': return { kind: 'hangup' };
      case 'dtmf': return digit(textIn(more, 'digit'));
      case 'transfer': return transfer(more);
      default: return fault('a command of no type that is known');
    }
  }

  #played(audio: Fields | null): AgentWord {
    const octets = base64(textIn(audio, 'audioContent'));
    if (octets === null) return fault('playAudio without audioContent in base64');
    const rate = Number(audio?.get('sampleRate') ?? this.#rate);
    try {
      const { samples, rate: given } = textIn(audio, 'audioContentType') === 'wav' ? readWav(octets) : { samples: samplesOf(octets), rate };
      return isKnownRate(given) ? { kind: 'audio', pcm: samples, rate: given } : fault(`playAudio at ${given} samples a second: 8000, 16000, 24000 and 48000 are taken`);
    } catch (error) {
      return fault(`playAudio: ${error instanceof Error ? error.message : 'no audio'}`);
    }
  }
}
