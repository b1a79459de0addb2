import { payloadMap, type MetaMedia, type PayloadMap, type SdpCodec } from '../../sdp/index.js';
import type { EventUnit, StreamFormat } from '../relay/outStream.js';
import type { RelayCodec } from '../relay/rtp.js';

/** The format of a stream whose numbers reach the relay as they are on the wire: no engine translates them. */
export function passedFormat(
  codec: RelayCodec, { sends, takes }: PayloadMap, eventUnit: EventUnit, others: readonly { readonly type: number; readonly codec: RelayCodec }[] = [],
): StreamFormat {
  return {
    codec, audioType: sends.audio, eventType: sends.events, eventUnit,
    takes: { audio: takes.audio, events: takes.events.map((type) => ({ type, unit: eventUnit })), others },
  };
}

/** The format of Meta's stream: event durations in 8 kHz units whatever the audio's clock (META-SIP §6.3). `named`: the codecs of our description. */
export function metaFormat(media: MetaMedia, named: readonly SdpCodec[]): StreamFormat {
  return passedFormat(media.codec.name as RelayCodec, payloadMap(named, media), 8000);
}

/** Of what was offered or answered the chosen codec and its events. */
export function chosenCodecs({ codec, events }: { readonly codec: SdpCodec; readonly events: SdpCodec | null }): SdpCodec[] {
  return events ? [codec, events] : [codec];
}
