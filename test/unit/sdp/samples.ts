/** SDP texts in the layouts of META-SIP §6.1, with made-up addresses and keys. */
const lines = (...text: string[]): string => [...text, ''].join('\r\n');

export const KEY = Buffer.alloc(30, 7).toString('base64');
export const FINGERPRINT = Array.from({ length: 32 }, (_, i) => (i + 16).toString(16).toUpperCase()).join(':');

const head = ['v=0', 'o=- 1735689600123 2 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE audio', 'a=msid-semantic: WMS 0b6a'];
const common = [
  'a=rtcp:9 IN IP4 0.0.0.0', 'a=mid:audio', 'a=sendrecv', 'a=msid:0b6a WhatsAppTrack1', 'a=rtcp-mux',
  'a=rtpmap:111 opus/48000/2',
  'a=fmtp:111 maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1',
  'a=rtpmap:126 telephone-event/8000', 'a=maxptime:20', 'a=ptime:20', 'a=ssrc:3550430563 cname:WhatsAppAudioStream1',
];

export const metaSdesOffer = lines(...head, 'm=audio 3480 RTP/SAVP 111 126', 'c=IN IP4 198.51.100.7', ...common,
  `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}`);

export const metaDtlsOffer = lines(head[0] ?? '', head[1] ?? '', 's=-', 't=0 0', 'a=group:BUNDLE audio', 'a=ice-lite',
  'm=audio 3484 UDP/TLS/RTP/SAVPF 111 126', 'c=IN IP4 198.51.100.7', ...common,
  'a=candidate:1755157013 1 udp 2122260223 198.51.100.7 3484 typ host generation 0 network-cost 50',
  'a=candidate:2227577757 1 udp 2122262783 2001:db8::7 3484 typ host generation 0 network-cost 50',
  'a=ice-ufrag:yvP3Wz0dCBQ8s+/a', 'a=ice-pwd:p+3w/cd6fYk9Jw0nRz4x2A==',
  `a=fingerprint:sha-256 ${FINGERPRINT}`, 'a=setup:actpass', 'a=rtcp-fb:111 transport-cc');

export const peerPcmuAnswer = lines('v=0', 'o=pbx 20 1 IN IP4 192.0.2.9', 's=call', 'c=IN IP4 192.0.2.9', 't=0 0',
  'm=audio 18000 RTP/AVP 0 101', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:101 telephone-event/8000', 'a=fmtp:101 0-16', 'a=ptime:20', 'a=sendrecv');
