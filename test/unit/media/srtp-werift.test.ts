// Both ways with werift, a third party's SRTP.
import t from 'tap';
import { RtpHeader, SrtcpSession, SrtpSession } from 'werift';
import { DTLS_PROFILES, newKeys, SrtpReceiver, SrtpSender } from '../../../lib/media/srtp/index.js';
import { rtcp, rtp, SSRC } from './srtp.js';

for (const profile of [1, 7] as const) {
  const suite = DTLS_PROFILES.get(profile)?.suite ?? '';
  t.test(`${suite}: RTP and RTCP, over a wrap`, async (t) => {
    const [ours, theirs] = [newKeys(suite).keys, newKeys(suite).keys];
    const config = { profile, keys: { localMasterKey: theirs.key, localMasterSalt: theirs.salt, remoteMasterKey: ours.key, remoteMasterSalt: ours.salt } };
    const [srtp, srtcp] = [new SrtpSession(config), new SrtcpSession(config)];
    const [sender, receiver] = [new SrtpSender(ours), new SrtpReceiver(theirs)];
    for (let index = 65_400; index < 65_800; index++) {
      const payload = Buffer.alloc(index % 200, index);
      const plain = rtp({ sequence: index, payload, timestamp: index });
      t.ok(srtp.decrypt(sender.protect(plain)).equals(plain) || t.fail(`to werift, ${index}`));
      const header = new RtpHeader({ payloadType: 0, sequenceNumber: index & 0xffff, timestamp: index, ssrc: SSRC });
      t.ok(receiver.unprotect(srtp.encrypt(payload, header))?.equals(plain) ?? t.fail(`from werift, ${index}`));
      const report = rtcp({ rest: Buffer.alloc(index % 60, index) });
      t.ok(srtcp.decrypt(sender.protectRtcp(report)).equals(report) || t.fail(`RTCP to werift, ${index}`));
      t.ok(receiver.unprotectRtcp(srtcp.encrypt(report))?.equals(report) ?? t.fail(`RTCP from werift, ${index}`));
    }
    t.same(receiver.refused, { auth: 0, replayed: 0 });
  });
}
