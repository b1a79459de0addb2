import { expandG711, G711Encoder } from '../../../media/codec/g711.js';
import { base64, digit, everySecond, fault, fieldsOf, mark, nothing, parse, textIn, transfer } from './reading.js';
import type { AgentCall, AgentWord, Dialect, Message, TransferNews } from './types.js';

/** Milliseconds of a media message, and samples a second. */
const FRAME_MS = 20;
const RATE = 8000;

/** Twilio's is somebody else's: none of its accounts has this id. */
const ACCOUNT = `AC${'0'.repeat(32)}`;

/**
 * Twilio Media Streams, bidirectional (twilio.com/docs/voice/media-streams/websocket-messages): JSON, G.711 mu-law at 8 kHz in base64. Of ours are, to us,
 * dtmf, hangup and transfer, which Twilio has in its REST interface; to hang up, an agent closes the socket.
 */
export class TwilioDialect implements Dialect {
  readonly #call: AgentCall;
  readonly #ids: { readonly streamSid: string; readonly callSid: string };
  readonly #encoder = new G711Encoder('PCMU');
  #sequence = 0;
  #chunk = 0;

  constructor(call: AgentCall) {
    this.#call = call;
    this.#ids = { streamSid: `MZ${call.stream}`, callSid: `CA${call.id.replaceAll('-', '')}` };
  }

  begin(): Message[] {
    const { number, user, wacid, payload, direction, reconnected, id } = this.#call;
    const customParameters = Object.fromEntries(Object.entries({ number, user, wacid, payload, direction, call: id, ...(reconnected ? { reconnected: 'true' } : {}) }).filter(([, value]) => value !== null));
    return [
      JSON.stringify({ event: 'connected', protocol: 'Call', version: '1.0.0' }),
      this.#say('start', { start: { accountSid: ACCOUNT, ...this.#ids, tracks: this.#call.listens ? ['inbound', 'outbound'] : ['inbound'], mediaFormat: { encoding: 'audio/x-mulaw', sampleRate: 8000, channels: 1 }, customParameters } }),
    ];
  }

  audio(pcm: Int16Array): Message[] {
    this.#chunk += 1;
    if (!this.#call.listens) return [this.#media('inbound', pcm)];
    return [this.#media('inbound', everySecond(pcm, 0)), this.#media('outbound', everySecond(pcm, 1))];
  }

  #media(track: 'inbound' | 'outbound', pcm: Int16Array): string {
    const payload = this.#encoder.encode(pcm).toString('base64');
    return this.#say('media', { media: { track, chunk: String(this.#chunk), timestamp: String(this.#chunk * FRAME_MS), payload } });
  }

  digit(digit: string): Message {
    return this.#say('dtmf', { dtmf: { track: 'inbound_track', digit } });
  }

  mark(name: string): Message {
    return this.#say('mark', { mark: { name } });
  }

  transferring({ status, text, code }: TransferNews): Message {
    return this.#say('transfer', { transfer: { status, text, ...(code === null ? {} : { code }) } });
  }

  stop(): Message {
    return this.#say('stop', { stop: { accountSid: ACCOUNT, callSid: this.#ids.callSid } });
  }

  read(data: Buffer, binary: boolean): AgentWord {
    const fields = binary ? null : parse(data);
    if (fields === null) return fault(binary ? 'octets, where this dialect has text' : 'no JSON');
    const event = textIn(fields, 'event');
    switch (event) {
      case 'media': return heard(textIn(fieldsOf(fields.get('media')), 'payload'));
      case 'mark': return mark(textIn(fieldsOf(fields.get('mark')), 'name'));
      case 'clear': return { kind: 'clear' };
      case 'dtmf': return digit(textIn(fieldsOf(fields.get('dtmf')), 'digit'));
      case 'hangup': return { kind: 'hangup' };
      case 'transfer': return transfer(fieldsOf(fields.get('transfer')));
      // What Twilio itself sends, from who sends back what comes.
      case 'connected': case 'start': case 'stop': return nothing;
      default: return fault('an event of no name that is known');
    }
  }

  #say(event: string, more: object): string {
    this.#sequence += 1;
    return JSON.stringify({ event, sequenceNumber: String(this.#sequence), streamSid: this.#ids.streamSid, ...more });
  }
}

function heard(payload: string | null): AgentWord {
  const octets = base64(payload);
  if (octets === null) return fault('media without a payload in base64');
  const pcm = new Int16Array(octets.length);
  expandG711('PCMU', octets, pcm);
  return { kind: 'audio', pcm, rate: RATE };
}
