// The wire formats of voice agents, as an agent has them: read and written here by themselves, for the service's own are what is judged.
import { g711Decode, g711Encode } from '../media/g711.js';

export type AgentDialect = 'twilio' | 'jambonz' | 'raw';

/** What the business's side said. */
export type Said =
  | { kind: 'start'; rate: number; channels: number; call: Record<string, unknown> }
  /** Of one track, or of both, sample by sample. */
  | { kind: 'audio'; track: 'inbound' | 'outbound' | 'both'; pcm: Int16Array }
  | { kind: 'digit'; digit: string }
  | { kind: 'mark'; name: string; cleared: boolean | undefined }
  /** `refused`: the code by which it does not begin. */
  | { kind: 'transfer'; status: number; refused?: string }
  | { kind: 'stop' }
  | { kind: 'other' }
  | { kind: 'fault'; why: string };

type Json = Record<string, unknown>;
const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null;
const part = (value: unknown): Json => (isJson(value) ? value : {});

/** One conversation's reader and writer. Keeps count of what must count: sequence numbers, chunks, timestamps. */
export class AgentWire {
  streamSid = '';
  private sequence = 0;
  private chunk = 0;
  private connected = false;
  private channels = 1;

  constructor(readonly dialect: AgentDialect) {}

  read(data: Buffer, binary: boolean): Said {
    if (binary) {
      if (this.dialect === 'twilio') return { kind: 'fault', why: 'a binary frame' };
      if (data.length % 2 === 1) return { kind: 'fault', why: 'half a sample' };
      const pcm = new Int16Array(data.length / 2);
      for (let i = 0; i < pcm.length; i++) pcm[i] = data.readInt16LE(2 * i);
      return { kind: 'audio', track: this.channels === 2 ? 'both' : 'inbound', pcm };
    }
    let message: unknown;
    try {
      message = JSON.parse(data.toString('utf8'));
    } catch {
      return { kind: 'fault', why: 'a text frame that is no JSON' };
    }
    if (!isJson(message)) return { kind: 'fault', why: 'a text frame that is no mapping' };
    const said = this.dialect === 'twilio' ? this.readTwilio(message) : this.dialect === 'jambonz' ? readJambonz(message) : readRaw(message);
    if (said.kind === 'start') this.channels = said.channels;
    return said;
  }

  private readTwilio(message: Json): Said {
    if (message['event'] === 'connected') {
      this.connected = message['protocol'] === 'Call' && message['version'] === '1.0.0';
      return this.connected ? { kind: 'other' } : { kind: 'fault', why: 'connected of another protocol' };
    }
    this.sequence++;
    if (!this.connected) return { kind: 'fault', why: `${String(message['event'])} before connected` };
    if (message['sequenceNumber'] !== String(this.sequence)) return { kind: 'fault', why: `sequenceNumber ${String(message['sequenceNumber'])} instead of ${this.sequence}` };
    if (message['event'] === 'start') {
      const start = part(message['start']);
      const format = part(start['mediaFormat']);
      this.streamSid = String(start['streamSid']);
      if (!/^MZ[0-9a-f]{32}$/.test(this.streamSid) || format['encoding'] !== 'audio/x-mulaw' || format['sampleRate'] !== 8000 || format['channels'] !== 1) return { kind: 'fault', why: 'a start that is not as it should be' };
      return { kind: 'start', rate: 8000, channels: Array.isArray(start['tracks']) ? start['tracks'].length : 0, call: part(start['customParameters']) };
    }
    if (message['streamSid'] !== this.streamSid) return { kind: 'fault', why: 'another streamSid' };
    const mark = part(message['mark'])['name'];
    switch (message['event']) {
      case 'media': return this.media(part(message['media']));
      case 'dtmf': return { kind: 'digit', digit: String(part(message['dtmf'])['digit']) };
      case 'mark': return { kind: 'mark', name: String(mark), cleared: undefined };
      case 'transfer': return { kind: 'transfer', status: Number(part(message['transfer'])['status']) };
      case 'stop': return { kind: 'stop' };
      default: return { kind: 'fault', why: `an event ${String(message['event'])}` };
    }
  }

  private media(media: Json): Said {
    const { track } = media;
    if (track !== 'inbound' && (track !== 'outbound' || this.channels !== 2)) return { kind: 'fault', why: `track ${String(track)}` };
    if (track === 'inbound') this.chunk++;
    if (media['chunk'] !== String(this.chunk)) return { kind: 'fault', why: `chunk ${String(media['chunk'])} instead of ${this.chunk}` };
    return { kind: 'audio', track, pcm: g711Decode('PCMU', Buffer.from(String(media['payload']), 'base64')) };
  }

  audio(pcm: Int16Array): string | Buffer {
    if (this.dialect === 'twilio') return this.event('media', { media: { payload: g711Encode('PCMU', pcm).toString('base64') } });
    const octets = Buffer.alloc(pcm.length * 2);
    for (let i = 0; i < pcm.length; i++) octets.writeInt16LE(pcm[i] ?? 0, 2 * i);
    return octets;
  }

  mark(name: string): string {
    return this.word('mark', { mark: { name } }, { type: 'mark', data: { name } }, { name });
  }

  clear(): string {
    return this.word('clear', {}, { type: 'killAudio' }, {});
  }

  digit(digit: string): string {
    return this.word('dtmf', { dtmf: { digit } }, { type: 'dtmf', data: { digit } }, { digit });
  }

  /** Twilio has none: the socket is closed; ours has one all the same. */
  hangUp(): string {
    return this.word('hangup', {}, { type: 'disconnect' }, {});
  }

  transfer(peer: string, user: string): string {
    return this.word('transfer', { transfer: { peer, user } }, { type: 'transfer', data: { peer, user } }, { peer, user });
  }

  private event(event: string, more: Json): string {
    return JSON.stringify({ event, streamSid: this.streamSid, ...more });
  }

  private word(name: string, twilio: Json, jambonz: Json, raw: Json): string {
    if (this.dialect === 'twilio') return this.event(name, twilio);
    return JSON.stringify(this.dialect === 'jambonz' ? jambonz : { type: name, ...raw });
  }
}

function readJambonz(message: Json): Said {
  if (message['callSid'] !== undefined) {
    const channels = { mono: 1, stereo: 2 }[String(message['mixType'])];
    return channels === undefined ? { kind: 'fault', why: `mixType ${String(message['mixType'])}` } : { kind: 'start', rate: Number(message['sampleRate']), channels, call: part(message['metadata']) };
  }
  if (message['event'] === 'dtmf') return { kind: 'digit', digit: String(message['dtmf']) };
  if (message['event'] === 'transfer') return { kind: 'transfer', status: Number(message['status']) };
  const data = part(message['data']);
  if (message['type'] === 'mark') return { kind: 'mark', name: String(data['name']), cleared: data['event'] === 'cleared' };
  return { kind: 'fault', why: `a message ${JSON.stringify(message).slice(0, 80)}` };
}

function readRaw(message: Json): Said {
  switch (message['type']) {
    case 'start': {
      const media = part(message['media']);
      const channels = Number(media['channels']);
      const known = media['encoding'] === 'L16' && (channels === 1 || channels === 2) && media['ptime'] === 20 && media['endianness'] === 'little';
      return known ? { kind: 'start', rate: Number(media['sampleRate']), channels, call: part(message['call']) } : { kind: 'fault', why: 'a start that is not as it should be' };
    }
    case 'dtmf': return { kind: 'digit', digit: String(message['digit']) };
    case 'mark': return { kind: 'mark', name: String(message['name']), cleared: message['cleared'] === true };
    case 'transfer': return { kind: 'transfer', status: Number(message['status']) };
    case 'error': return message['of'] === 'transfer' ? { kind: 'transfer', status: Number(message['status']), refused: String(message['code']) } : { kind: 'fault', why: `an error of ${String(message['of'])}` };
    case 'stop': return { kind: 'stop' };
    default: return { kind: 'fault', why: `a message ${JSON.stringify(message).slice(0, 80)}` };
  }
}
