// Sender and receiver reports with a CNAME (RFC 3550 §6.4, §6.5).

/** Reception of one source, as it goes into a report. Jitter in timestamp units. */
export interface ReportBlock {
  ssrc: number;
  fractionLost: number;
  lost: number;
  highest: number;
  jitter: number;
  lastSenderReport: number;
  delaySinceLast: number;
}

export interface SenderInfo { ntp: bigint; rtpTimestamp: number; packets: number; octets: number }

/** One report read from a compound packet. `sender` is there for a sender report. */
export interface Report { ssrc: number; sender: SenderInfo | undefined; blocks: ReportBlock[] }

const NTP_EPOCH_S = 2_208_988_800;

/** Wall clock as a 64-bit NTP timestamp (RFC 3550 §4). `ms` since the Unix epoch. */
export function ntpOf(ms: number): bigint {
  const seconds = Math.floor(ms / 1000);
  return (BigInt(seconds + NTP_EPOCH_S) << 32n) | BigInt(Math.floor(((ms - seconds * 1000) / 1000) * 2 ** 32));
}

/** The middle 32 bits of an NTP timestamp, as LSR carries it. */
export function middleOf(ntp: bigint): number {
  return Number((ntp >> 16n) & 0xffffffffn);
}

/** SR (or RR, when nothing was sent) and SDES as one compound packet; RFC 3550 §6.1 asks for both. */
export function writeReport(ssrc: number, cname: string, sender: SenderInfo | undefined, blocks: ReportBlock[]): Buffer {
  const report = Buffer.alloc(8 + (sender ? 20 : 0) + 24 * blocks.length);
  report[0] = 0x80 | blocks.length;
  report[1] = sender ? 200 : 201;
  report.writeUInt16BE(report.length / 4 - 1, 2);
  report.writeUInt32BE(ssrc, 4);
  let at = 8;
  if (sender) {
    report.writeBigUInt64BE(sender.ntp, 8);
    report.writeUInt32BE(sender.rtpTimestamp >>> 0, 16);
    report.writeUInt32BE(sender.packets >>> 0, 20);
    report.writeUInt32BE(sender.octets >>> 0, 24);
    at = 28;
  }
  for (const block of blocks) {
    report.writeUInt32BE(block.ssrc, at);
    report[at + 4] = block.fractionLost;
    report.writeIntBE(Math.max(-0x800000, Math.min(0x7fffff, block.lost)), at + 5, 3);
    report.writeUInt32BE(block.highest >>> 0, at + 8);
    report.writeUInt32BE(Math.round(block.jitter) >>> 0, at + 12);
    report.writeUInt32BE(block.lastSenderReport >>> 0, at + 16);
    report.writeUInt32BE(block.delaySinceLast >>> 0, at + 20);
    at += 24;
  }
  const name = Buffer.from(cname, 'latin1');
  // The item list ends with at least one zero byte and is padded to 32 bits (RFC 3550 §6.5).
  const sdes = Buffer.alloc(Math.ceil((8 + 2 + name.length + 1) / 4) * 4);
  sdes[0] = 0x81;
  sdes[1] = 202;
  sdes.writeUInt16BE(sdes.length / 4 - 1, 2);
  sdes.writeUInt32BE(ssrc, 4);
  sdes[8] = 1;
  sdes[9] = name.length;
  name.copy(sdes, 10);
  return Buffer.concat([report, sdes]);
}

/** Reports and BYE of a compound packet; stops at the first part that is cut short. */
export function parseCompound(bytes: Buffer): { reports: Report[]; bye: boolean } {
  const reports: Report[] = [];
  let bye = false;
  for (let at = 0; at + 8 <= bytes.length;) {
    const end = at + 4 * (bytes.readUInt16BE(at + 2) + 1);
    if (end > bytes.length) break;
    const type = bytes[at + 1];
    if (type === 200 || type === 201) reports.push(readReport(bytes.subarray(at, end), type === 200));
    if (type === 203) bye = true;
    at = end;
  }
  return { reports, bye };
}

function readReport(part: Buffer, isSender: boolean): Report {
  let sender: SenderInfo | undefined;
  let at = 8;
  if (isSender && part.length >= 28) {
    sender = { ntp: part.readBigUInt64BE(8), rtpTimestamp: part.readUInt32BE(16), packets: part.readUInt32BE(20), octets: part.readUInt32BE(24) };
    at = 28;
  }
  const blocks: ReportBlock[] = [];
  for (let i = 0; i < ((part[0] ?? 0) & 0x1f) && at + 24 <= part.length; i++, at += 24) {
    blocks.push({
      ssrc: part.readUInt32BE(at), fractionLost: part[at + 4] ?? 0, lost: part.readIntBE(at + 5, 3), highest: part.readUInt32BE(at + 8),
      jitter: part.readUInt32BE(at + 12), lastSenderReport: part.readUInt32BE(at + 16), delaySinceLast: part.readUInt32BE(at + 20),
    });
  }
  return { ssrc: part.readUInt32BE(4), sender, blocks };
}
