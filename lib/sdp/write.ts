import { isIPv6 } from 'node:net';
import type { AudioSection, Section, SessionDescription } from './types.js';

/** Writes a session description (RFC 8866) from types; the only place where SDP text is made. */
export function writeSdp(session: SessionDescription): string {
  const first = session.sections.map((section) => ('audio' in section ? section.audio : null)).find((audio) => audio !== null);
  // RFC 9143 §7.3: the answer repeats the mids it keeps in the group, and groups nothing that was not offered so.
  const bundled = !session.bundle ? [] : session.sections.flatMap((section) => ('audio' in section && section.audio.mid !== null && section.audio.port !== 0 ? [section.audio.mid] : []));
  return [
    'v=0',
    `o=- ${session.id} ${session.version} IN ${addressOf(first?.address ?? '0.0.0.0')}`,
    's=-',
    't=0 0',
    ...(bundled.length > 0 ? [`a=group:BUNDLE ${bundled.join(' ')}`] : []),
    ...session.sections.flatMap(writeSection),
    '',
  ].join('\r\n');
}

function addressOf(address: string): string {
  return `${isIPv6(address) ? 'IP6' : 'IP4'} ${address}`;
}

function writeSection(section: Section): string[] {
  if ('audio' in section) return writeAudio(section.audio);
  const { kind, protocol, formats, mid } = section.other;
  // RFC 3264 §6: a stream is refused with port 0, and every m-line of the offer has one in the answer.
  return [`m=${kind} 0 ${protocol} ${formats}`, 'c=IN IP4 0.0.0.0', ...(mid === null ? [] : [`a=mid:${mid}`])];
}

function writeAudio(audio: AudioSection): string[] {
  const formats = audio.codecs.length > 0 ? audio.codecs.map((codec) => codec.payloadType).join(' ') : '0';
  const lines = [`m=audio ${audio.port} ${audio.protocol} ${formats}`, `c=IN ${addressOf(audio.address)}`];
  if (audio.mid !== null) lines.push(`a=mid:${audio.mid}`);
  if (audio.port === 0) return lines;
  for (const codec of audio.codecs) {
    lines.push(`a=rtpmap:${codec.payloadType} ${codec.name}/${codec.clockRate}${codec.channels > 1 ? `/${codec.channels}` : ''}`);
    if (codec.fmtp !== null) lines.push(`a=fmtp:${codec.payloadType} ${codec.fmtp}`);
  }
  if (audio.ptime !== null) lines.push(`a=ptime:${audio.ptime}`);
  if (audio.maxptime !== null) lines.push(`a=maxptime:${audio.maxptime}`);
  lines.push(`a=${audio.direction}`);
  if (audio.rtcp) lines.push(`a=rtcp:${audio.rtcp.port} IN ${addressOf(audio.rtcp.address)}`);
  if (audio.rtcpMux) lines.push('a=rtcp-mux');
  for (const key of audio.sdes) lines.push(`a=crypto:${key.tag} ${key.suite} inline:${key.key}${key.mki === undefined ? '' : `|${key.mki}`}`);
  if (audio.dtls) {
    lines.push(`a=setup:${audio.dtls.setup}`);
    for (const { hash, value } of audio.dtls.fingerprints) lines.push(`a=fingerprint:${hash} ${value}`);
  }
  if (audio.ice) {
    // Media level: rtpengine 10.5.3 does not see a session-level ice-lite (INTEROP, "FreeSWITCH, rtpengine and Meta's ICE-lite").
    if (audio.ice.lite) lines.push('a=ice-lite');
    lines.push(`a=ice-ufrag:${audio.ice.ufrag}`, `a=ice-pwd:${audio.ice.pwd}`);
    for (const c of audio.ice.candidates) {
      lines.push(`a=candidate:${c.foundation} ${c.component} ${c.transport} ${c.priority} ${c.address} ${c.port} typ ${c.type}`);
    }
  }
  return [...lines, ...namesOf(audio)];
}

/** What the stream is called. */
function namesOf({ label, msid, ssrc }: AudioSection): string[] {
  return [
    ...(label === undefined ? [] : [`a=label:${label}`]), ...(msid === undefined ? [] : [`a=msid:${msid} ${msid}-audio`]),
    ...(ssrc === undefined ? [] : [`a=ssrc:${ssrc.id} cname:${ssrc.cname}`]),
  ];
}
