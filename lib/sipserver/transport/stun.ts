// STUN keep-alives on a SIP port (RFC 5626 §3.5.2, §4.4.2; RFC 5389).
import { isIPv6 } from 'node:net';

const MAGIC = 0x2112a442;
const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const XOR_MAPPED_ADDRESS = 0x0020;

/**
 * The answer to a Binding request: the address and port it came from, XOR-MAPPED-ADDRESS (RFC 5389 §15.2). Undefined for anything else; SIP
 * begins with a letter or a line end, STUN with two zero bits.
 */
export function stunAnswer(bytes: Buffer, address: string, port: number): Buffer | undefined {
  if (bytes.length < 20 || (bytes[0] ?? 255) > 3 || bytes.readUInt16BE(0) !== BINDING_REQUEST || bytes.readUInt32BE(4) !== MAGIC) return undefined;
  const raw = addressBytes(address);
  if (raw === undefined) return undefined;
  const out = Buffer.alloc(20 + 8 + raw.length);
  out.writeUInt16BE(BINDING_SUCCESS, 0);
  out.writeUInt16BE(8 + raw.length, 2);
  bytes.copy(out, 4, 4, 20);
  out.writeUInt16BE(XOR_MAPPED_ADDRESS, 20);
  out.writeUInt16BE(4 + raw.length, 22);
  out.writeUInt8(raw.length === 4 ? 1 : 2, 25);
  out.writeUInt16BE(port ^ (MAGIC >>> 16), 26);
  // The address is XORed with the magic cookie and, for IPv6, the transaction id behind it.
  for (let i = 0; i < raw.length; i++) out[28 + i] = (raw[i] ?? 0) ^ (bytes[4 + i] ?? 0);
  return out;
}

function addressBytes(address: string): Buffer | undefined {
  if (!isIPv6(address)) {
    const parts = address.split('.').map(Number);
    return parts.length === 4 ? Buffer.from(parts) : undefined;
  }
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? [];
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right];
  // An IPv4-mapped address ends in dots; a socket bound to IPv6 alone never gives one.
  if (groups.length !== 8 || groups.some((g) => g.includes('.'))) return undefined;
  const out = Buffer.alloc(16);
  groups.forEach((g, i) => { out.writeUInt16BE(parseInt(g, 16), 2 * i); });
  return out;
}
