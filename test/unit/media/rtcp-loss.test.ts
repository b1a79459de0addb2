// What the far end reports of our stream (RFC 3550 §6.4): over the call for figures, of late for FEC.
import t from 'tap';
import { InStream } from '../../../lib/media/relay/inStream.js';
import { OutStream } from '../../../lib/media/relay/outStream.js';
import { RtcpSession } from '../../../lib/media/relay/rtcp.js';

const SSRC = 0xabcd;

/** A receiver report with one block; `lost`: the fraction in 1/256. */
function report(lost: number, ssrc = SSRC): Buffer {
  const packet = Buffer.alloc(32);
  packet.writeUInt32BE(0x81c9_0007, 0);
  packet.writeUInt32BE(9, 4);
  packet.writeUInt32BE(ssrc, 8);
  packet[12] = lost;
  return packet;
}

function session(): RtcpSession {
  const out = new OutStream({ codec: 'opus', audioType: 111, eventType: null, eventUnit: 8000 }, SSRC, 0, 0, () => undefined);
  return new RtcpSession(new InStream(48_000), out, 'here');
}

t.test('loss that begins late in a call is known at its first report, and forgotten within a minute', async (t) => {
  const rtcp = session();
  t.same([rtcp.recentLoss, rtcp.remoteLoss], [null, null]);
  for (let i = 0; i < 360; i += 1) rtcp.take(report(0), i * 5000);
  t.same([rtcp.recentLoss, rtcp.remoteLoss], [0, 0]);
  rtcp.take(report(26), 0);
  t.equal(rtcp.recentLoss, 26 / 256);
  t.ok((rtcp.remoteLoss ?? 1) < 0.001, 'over the call it is little');
  rtcp.take(report(26), 0);
  t.equal(rtcp.recentLoss, 26 / 256);
  rtcp.take(report(0), 0);
  t.ok((rtcp.recentLoss ?? 0) > 0.04, 'a report without loss ends nothing');
  for (let i = 0; i < 12; i += 1) rtcp.take(report(0), 0);
  t.ok((rtcp.recentLoss ?? 1) < 0.004, `${rtcp.recentLoss}`);
  rtcp.take(report(200, SSRC + 1), 0);
  t.ok((rtcp.recentLoss ?? 1) < 0.004, 'of another stream');
});
