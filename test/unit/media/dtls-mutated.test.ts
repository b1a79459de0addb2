// Datagrams that somebody has bent, beside the true ones: nothing is thrown, and the handshake comes to its end.
// By hand: WAB_DTLS_MUTATIONS=100000 for a long run, WAB_DTLS_SEED for another one.
import t from 'tap';
import { makeCertificate } from '../../../lib/media/dtls/index.js';
import { readFragments } from '../../../lib/media/dtls/fragments.js';
import * as messages from '../../../lib/media/dtls/messages.js';
import { readRecords } from '../../../lib/media/dtls/records.js';
import { randomOf, soon, Wire } from './dtlsRig.js';

const MUTATIONS = Number(process.env.WAB_DTLS_MUTATIONS ?? 3000);
const random = randomOf(Number(process.env.WAB_DTLS_SEED ?? 15));
const below = (n: number): number => Math.floor(random() * n);

/** One of the ways to spoil bytes. */
function mutated(bytes: Buffer): Buffer {
  const out = Buffer.from(bytes);
  const at = below(out.length);
  switch (below(8)) {
    case 0: return out.subarray(0, at);
    case 1: return Buffer.concat([out, out.subarray(at)]);
    case 2: return Buffer.concat([out.subarray(0, at), out.subarray(Math.min(out.length, at + 1 + below(20)))]);
    case 3: return Buffer.concat([out.subarray(0, at), Buffer.from(Array.from({ length: below(40) }, () => below(256))), out.subarray(at)]);
    case 4: out.fill(below(256), at, Math.min(out.length, at + below(8))); return out;
    // Where lengths and numbers of the first record and its message are.
    case 5: out[below(Math.min(25, out.length))] = below(256); return out;
    case 6: for (let n = 0; n < 20; n++) out[below(out.length)] = below(256); return out;
    default: out[at] = (out[at] ?? 0) ^ (1 << below(8)); return out;
  }
}

/** A stranger who asks for a cookie leads a client astray, as RFC 6347 §4.2.1 has it: that is left out. */
function asksForCookie(datagram: Buffer): boolean {
  for (let at = 0; at + 14 <= datagram.length; at++) if (datagram[at] === 22 && datagram[at + 13] === messages.HANDSHAKE.helloVerifyRequest) return true;
  return false;
}

/** A handshake with bent datagrams of `source` right before and among the true ones: how many, and the wire at the end. */
function amid(source: (bytes: Buffer, seen: readonly Buffer[]) => Buffer): { bent: number; wire: Wire } {
  let bent = 0;
  const seen: Buffer[] = [];
  const wire: Wire = new Wire((bytes, from) => {
    seen.push(bytes);
    const to = from === 'client' ? 'server' : 'client';
    for (let n = 0; n < 6 && bent < 60; n++) {
      const one = mutated(source(bytes, seen));
      if (to === 'client' && asksForCookie(one)) continue;
      bent++;
      wire.deliver(to, one, below(3));
    }
    return [{ after: 1 + below(3), bytes }];
  });
  wire.start().run();
  return { bent, wire };
}

const agree = ({ ends: { client, server } }: Wire): boolean => client.keys?.local.key.equals(server.keys?.remote.key ?? Buffer.alloc(0)) === true;

t.test(`${MUTATIONS} bent datagrams of a stranger, who has not seen ours`, { timeout: 3_600_000 }, async (t) => {
  const others = new Wire(soon, { client: { certificate: makeCertificate() } }).start().run();
  // A server's CertificateRequest and ServerHelloDone are not signed for before the Finished (RFC 5246 §7.4.3), so one that comes in time from the far end's address spoils a handshake.
  const signedFor = others.ends.server.sent.flatMap((datagram) => {
    const records = [...readRecords(datagram)].filter(({ epoch, body }) => epoch > 0 || ![messages.HANDSHAKE.certificateRequest, messages.HANDSHAKE.serverHelloDone].some((type) => type === body[0]));
    return records.map(({ type, place, body }) => Buffer.concat([Buffer.of(type, 0xfe, 0xfd), place, Buffer.of(body.length >> 8, body.length & 0xff), body]));
  });
  const pool = [...others.ends.client.sent, ...signedFor];
  let slowest = 0;
  for (let done = 0; done < MUTATIONS;) {
    const { bent, wire } = amid(() => pool[below(pool.length)] ?? Buffer.alloc(1));
    done += bent;
    slowest = Math.max(slowest, wire.now - 1000);
    if (!agree(wire)) {
      t.fail(`after ${done}: ${JSON.stringify([wire.ends.client.failure, wire.ends.server.failure])}`);
      break;
    }
  }
  t.ok(slowest < 5000, `the slowest handshake took ${slowest} ms`);
});

// The hellos are not signed (RFC 5246 §7.4.3), so who reads and writes along may spoil a handshake; no more.
t.test(`${MUTATIONS} bent copies of what the ends send`, { timeout: 3_600_000 }, async (t) => {
  let [done, up, down] = [0, 0, 0];
  while (done < MUTATIONS) {
    const { bent, wire } = amid((bytes, seen) => (random() < 0.7 ? bytes : seen[below(seen.length)] ?? bytes));
    done += bent;
    const { client, server } = wire.ends;
    if (agree(wire)) up++;
    else if ([client, server].every(({ endpoint, failure }) => endpoint.state === 'failed' && failure !== undefined)) down++;
    else t.fail(`after ${done}: ${client.endpoint.state} ${server.endpoint.state} ${JSON.stringify([client.failure, server.failure])}`);
  }
  t.ok(up > down, `${up} handshakes came to their end, ${down} did not`);
});

t.test('readers give a value or a DtlsFault', async (t) => {
  const wire = new Wire().start().run();
  const all = [...wire.ends.client.sent, ...wire.ends.server.sent];
  const readers = [readFragments, messages.readClientHello, messages.readServerHello, messages.readCertificate, messages.readServerKeyExchange, messages.readCertificateVerify,
    messages.readClientKeyExchange, messages.readHelloVerifyRequest];
  const thrown = new Set<string>();
  for (let n = 0; n < MUTATIONS; n++) {
    const bytes = mutated(all[below(all.length)] ?? Buffer.alloc(1)).subarray([13, 25][below(2)]);
    for (const read of readers) {
      try {
        read(bytes);
      } catch (error) {
        thrown.add(String((error as Error).constructor.name));
      }
    }
  }
  t.same([...thrown], ['DtlsFault']);
});

t.test('pieces without a byte, and pieces that contradict each other, cost nobody anything', async (t) => {
  const header = (length: number, offset: number, part: number): Buffer => Buffer.concat([Buffer.of(1), ...[length, 0, offset, part].map((value, at) => {
    const bytes = Buffer.alloc(at === 1 ? 2 : 3);
    bytes.writeUIntBE(value, 0, bytes.length);
    return bytes;
  })]);
  t.throws(() => readFragments(header(16_000, 0, 0)), /beyond its message/);
  t.same(readFragments(header(0, 0, 0)).length, 1, 'a message without a body is one all the same');
  // Each says another length of the same hello, and gives one byte: every one would be a buffer of 16 kB, filled anew.
  const pieces = Array.from({ length: 5000 }, (_, n) => Buffer.concat([header(16_000 - (n % 300), 0, 1), Buffer.of(7)]));
  const wire = new Wire();
  const record = (body: Buffer, n: number): Buffer => {
    const head = Buffer.from('16fefd0000000000000000', 'hex');
    head.writeUInt32BE(n, 7);
    return Buffer.concat([head, Buffer.of(body.length >> 8, body.length & 0xff), body]);
  };
  wire.ends.server.endpoint.start(wire.now);
  const before = process.memoryUsage().arrayBuffers;
  const begun = performance.now();
  for (const [n, piece] of pieces.entries()) wire.ends.server.endpoint.receive(record(piece, n), wire.now);
  t.ok(performance.now() - begun < 1000, `${Math.round(performance.now() - begun)} ms for 5,000`);
  t.ok(process.memoryUsage().arrayBuffers - before < 16 << 20);
});
