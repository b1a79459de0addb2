// Session descriptions (RFC 8866) as the stand-ins read them: strictly, keeping every line.

export interface SdpMedia {
  kind: string;
  port: number;
  protocol: string;
  formats: string[];
  /** Address of the media-level `c=` line, else the session's. */
  address: string | undefined;
  /** `a=` lines of this section, without `a=`. */
  attributes: string[];
}

export interface Sdp {
  origin: string;
  /** Session-level `a=` lines, without `a=`. */
  attributes: string[];
  media: SdpMedia[];
}

export interface RtpMap { payloadType: number; name: string; clockRate: number; channels: number }

/** Reads a description. Throws an Error that names the first line which breaks the grammar. */
export function parseSdp(text: string): Sdp {
  const sdp: Sdp = { origin: '', attributes: [], media: [] };
  const lines = text.split('\r\n');
  if (lines.pop() !== '') throw new Error('SDP does not end in CRLF');
  if (lines[0] !== 'v=0') throw new Error('SDP does not begin with v=0');
  let sessionAddress: string | undefined;
  for (const line of lines) {
    const value = line.slice(2);
    if (!/^[a-z]=/.test(line)) throw new Error(`not an SDP line: ${JSON.stringify(line)}`);
    const media = sdp.media.at(-1);
    switch (line[0]) {
      case 'o':
        if (!/^\S+ \d+ \d+ IN IP[46] \S+$/.test(value)) throw new Error(`malformed o= line: ${line}`);
        sdp.origin = value;
        break;
      case 'c': {
        const m = /^IN IP[46] (\S+)$/.exec(value);
        if (m === null) throw new Error(`malformed c= line: ${line}`);
        if (media === undefined) sessionAddress = m[1];
        else media.address = m[1];
        break;
      }
      case 'm': {
        const m = /^(\w+) (\d{1,5})(?:\/\d+)? (\S+)((?: \S+)+)$/.exec(value);
        if (m === null) throw new Error(`malformed m= line: ${line}`);
        sdp.media.push({ kind: m[1] ?? '', port: Number(m[2]), protocol: m[3] ?? '', formats: (m[4] ?? '').trim().split(' '), address: sessionAddress, attributes: [] });
        break;
      }
      case 'a':
        (media ?? sdp).attributes.push(value);
        break;
      default:
    }
  }
  // RFC 8866 §5: v=, o=, s= and t= are required.
  for (const needed of ['o=', 's=', 't=']) if (!lines.some((l) => l.startsWith(needed))) throw new Error(`SDP without ${needed}`);
  return sdp;
}

/** Value of the first attribute of that name: '' for a bare flag, undefined when absent. */
export function attribute(section: { attributes: string[] }, name: string): string | undefined {
  return attributes(section, name)[0];
}

export function attributes(section: { attributes: string[] }, name: string): string[] {
  return section.attributes.filter((a) => a === name || a.startsWith(`${name}:`)).map((a) => a.slice(name.length + 1));
}

/** Static payload types the stand-ins know (RFC 3551 §6), besides what rtpmap lines say. */
const STATIC: RtpMap[] = [
  { payloadType: 0, name: 'PCMU', clockRate: 8000, channels: 1 },
  { payloadType: 8, name: 'PCMA', clockRate: 8000, channels: 1 },
  { payloadType: 9, name: 'G722', clockRate: 8000, channels: 1 },
];

/** The formats of a section in its order, each with its map; those without a map are left out. */
export function rtpMaps(media: SdpMedia): RtpMap[] {
  const maps = new Map<number, RtpMap>();
  for (const value of attributes(media, 'rtpmap')) {
    const m = /^(\d+) ([^/\s]+)\/(\d+)(?:\/(\d+))?$/.exec(value);
    if (m !== null) maps.set(Number(m[1]), { payloadType: Number(m[1]), name: m[2] ?? '', clockRate: Number(m[3]), channels: Number(m[4] ?? 1) });
  }
  return media.formats.flatMap((format) => maps.get(Number(format)) ?? STATIC.find((s) => s.payloadType === Number(format)) ?? []);
}

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

/** Direction of a section, from its own lines or the session's; sendrecv by default (RFC 8866 §6.7). */
export function directionOf(sdp: Sdp, media: SdpMedia): Direction {
  for (const section of [media, sdp]) {
    for (const d of ['sendrecv', 'sendonly', 'recvonly', 'inactive'] as const) if (attribute(section, d) !== undefined) return d;
  }
  return 'sendrecv';
}
