// The vectors of RFC 3711 appendix B, RFC 6188 §7 and RFC 7714 §16 and §17, and a packet that libsrtp made.
import t from 'tap';
import { derive, sessionKeys } from '../../../lib/media/srtp/derive.js';
import { CounterMode, F8Mode } from '../../../lib/media/srtp/keyStream.js';
import { protectionUnder } from '../../../lib/media/srtp/protect.js';
import { SrtpReceiver, SrtpSender } from '../../../lib/media/srtp/index.js';
import { hex, rtp } from './srtp.js';

const nothing = Buffer.alloc(0);

// The first and the last three blocks of the 65,282 that the packet with SSRC, rollover counter and sequence number 0 can have.
for (const [source, key, first, last] of [
  ['RFC 3711 B.2', '2b7e151628aed2a6abf7158809cf4f3c',
    'e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0',
    'ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b17ba6c44'],
  ['RFC 6188 §7.1', '57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98',
    '92bdd28a93c3f52511c677d08b5515a49da71b2378a854f67050756ded165bac63c4868b7096d88421b563b8c94c9a31',
    'cea518c90fd91ced9cbb18c078a547113dbc4814f4da5f00a08772b63c6a046d6eb246913062a16891433e97dd01a57f'],
  ['RFC 6188 §7.3', 'eab234764e517b2d3d160d587d8c86219740f65f99b6bcf7',
    '35096cba4610028dc1b57503804ce37c5de986291dcce161d5165ec4568f5c9a474a40c77894bc17180202272a4c264d',
    'd108d1a31a00bad6367ec23eb044b415c8f57129fdeb970b59f917b257662d4ca5dab625811034e8cebdfeb6dc158dd3'],
] as const) {
  t.test(`${source}: key stream of AES-CM`, async (t) => {
    const bytes = 16 * 65_282;
    const packet = Buffer.concat([rtp({ sequence: 0, ssrc: 0, timestamp: 0 }), Buffer.alloc(bytes)]);
    const stream = new CounterMode({ encryption: hex(key), salt: hex('f0f1f2f3f4f5f6f7f8f9fafbfcfd') });
    stream.rtp(packet, 12, packet.length, 0, packet);
    t.equal(packet.toString('hex', 12, 60), first);
    t.equal(packet.toString('hex', packet.length - 48), last);
  });
}

t.test('RFC 3711 B.1: AES-f8, also behind another packet under the same key', async (t) => {
  const stream = new F8Mode({ encryption: hex('234829008467be186c3de14aae72d62c'), salt: hex('32f2870d') });
  const header = '806e5cba50681de55c621599';
  const plain = '70736575646f72616e646f6d6e65737320697320746865206e6578742062657374207468696e67';
  for (let times = 0; times < 3; times++) {
    const packet = hex(header + plain);
    stream.rtp(packet, 12, packet.length, 0xd462564a, packet);
    t.equal(packet.toString('hex'), `${header}019ce7a26e7854014a6366aa95d4eefd1ad4172a14f9faf455b7f1d4b62bd08f562c0eef7c4802`);
    stream.rtp(rtp({ sequence: times, payload: Buffer.alloc(40 * times) }), 12, 12 + 40 * times, 7, Buffer.alloc(200));
  }
});

for (const [source, suite, key, salt, encryption, sessionSalt, authentication] of [
  ['RFC 3711 B.3', 'AES_CM_128_HMAC_SHA1_80', 'e1f97a0d3e018be0d64fa32c06de4139', '0ec675ad498afeebb6960b3aabe6',
    'c61e7a93744f39ee10734afe3ff7a087', '30cbbc08863d8c85d49db34a9ae1', 'cebe321f6ff7716b6fd4ab49af256a156d38baa4'],
  ['RFC 6188 §7.2', 'AES_256_CM_HMAC_SHA1_80', 'f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6', '3b04803de51ee7c96423ab5b78d2',
    '5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4', 'fa31791685ca444a9e07c6c64e93', 'fd9c32d39ed5fbb5a9dc96b30818454d1313dc05'],
  ['RFC 6188 §7.4', 'AES_192_CM_HMAC_SHA1_32', '73edc66c4fa15776fb57f9505c17136550ffda71f3e8e5f1', 'c8522f3acd4ce86d5add78edbb11',
    '31874736a8f1143870c26e4857d8a5b2c4a354407faadabb', '2372b82d639b6d8503a47adc0a6c', '355b10973cd95b9eacf4061c7e1a7151e7cfbfcb'],
] as const) {
  t.test(`${source}: key derivation`, async (t) => {
    const session = sessionKeys({ suite, key: hex(key), salt: hex(salt) }, 'rtp');
    t.same(Object.values(session).map((bytes) => bytes.toString('hex')), [encryption, authentication, sessionSalt]);
  });
}

t.test('RFC 3711 B.3: the 94 bytes of the authentication key; the keys of SRTCP from the same master key', async (t) => {
  const master = { suite: 'AES_CM_128_HMAC_SHA1_80', key: hex('e1f97a0d3e018be0d64fa32c06de4139'), salt: hex('0ec675ad498afeebb6960b3aabe6') };
  t.equal(derive(master, 1, 94).toString('hex'), [
    'cebe321f6ff7716b6fd4ab49af256a15', '6d38baa48f0a0acf3c34e2359e6cdbce', 'e049646c43d9327ad175578ef7227098', '6371c10c9a369ac2f94a8c5fbcdddc25',
    '6d6e919a48b610ef17c2041e47403576', '6b68642c59bbfc2f34db60dbdfb2'].join(''));
  t.same(Object.values(sessionKeys(master, 'rtcp')).map((bytes) => bytes.toString('hex')),
    ['4c1aa45a81f73d61c800bbb00fbb1eaa', '8d54534feb49ae8e7993a6bd0b844fc323a93dfd', '9581c7ad87b3e530bf3e4454a8b3']);
});

const salt = hex('517569642070726f2071756f');
const plainRtp = '8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573';
const plainRtcp = '81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef';
for (const [suite, encryption, sealedRtp, sealedRtcp, taggedRtcp] of [
  // §16.1.1, §17.1, §17.3
  ['AEAD_AES_128_GCM', '000102030405060708090a0b0c0d0e0f',
    '8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce',
    '81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4',
    `${plainRtcp}841dd9683dd78ec92ae58790125f62b3000005d4`],
  // §16.2.1, §17.2
  ['AEAD_AES_256_GCM', '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
    '8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13',
    '81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4',
    null],
] as const) {
  t.test(`RFC 7714 §16 and §17: ${suite}`, async (t) => {
    const protection = protectionUnder(suite, { encryption: hex(encryption), salt, authentication: nothing }, nothing);
    t.equal(protection.sealRtp(hex(plainRtp), 12, 0).toString('hex'), sealedRtp);
    t.equal(protection.openRtp(hex(sealedRtp), 12, 0)?.toString('hex'), plainRtp);
    t.equal(protection.sealRtcp(hex(plainRtcp), 0x5d4).toString('hex'), sealedRtcp);
    t.equal(protection.openRtcp(hex(sealedRtcp), 0x800005d4)?.toString('hex'), plainRtcp);
    if (taggedRtcp !== null) t.equal(protection.openRtcp(hex(taggedRtcp), 0x5d4)?.toString('hex'), plainRtcp, 'authenticated only');
  });
}

t.test('a packet that libsrtp made, AES_CM_128_HMAC_SHA1_80', async (t) => {
  const keys = { suite: 'AES_CM_128_HMAC_SHA1_80', key: Buffer.alloc(16, 0x22), salt: Buffer.alloc(14, 0x44) };
  const plain = `800000010000000001020304${'a5'.repeat(20)}`;
  const sealed = '800000010000000001020304f5b44b7e3ad4eb057bc6480c45df6547bb70bcc27b136e1f3d3a62821b15';
  t.equal(new SrtpSender(keys).protect(hex(plain)).toString('hex'), sealed);
  t.equal(new SrtpReceiver(keys).unprotect(hex(sealed))?.toString('hex'), plain);
});
