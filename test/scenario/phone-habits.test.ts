// docs/peers/phones.md: the shape of what each phone sends, registered and placing a call, as public documents and traces have it.
import t from 'tap';
import { engines } from '../helpers/engines.js';
import { RawPhone } from '../helpers/rawPhone.js';
import { domain, number, plainListener } from '../helpers/service.js';
import { openStage } from './harness.js';

interface Habit {
  readonly transport?: 'udp' | 'tcp';
  /** Of REGISTER and INVITE, HERE being what the phone believes to be its address. */
  readonly contact: string;
  readonly register?: readonly string[];
  readonly invite?: readonly string[];
  readonly from?: string;
  /** Lines of the offer behind `t=`. */
  readonly sdp: readonly string[];
  readonly session?: string;
}

const g711 = ['m=audio 11780 RTP/AVP 0 8 101', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:8 PCMA/8000', 'a=rtpmap:101 telephone-event/8000', 'a=fmtp:101 0-15', 'a=sendrecv'];
const key = 'inline:WnD7c1ksDGs+dIefCEo8omPg4uO8DYIinNGL5yxQ';
const instance = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000b82d0a1b2>"';

const phones: Readonly<Record<string, Habit>> = {
  Linphone: {
    transport: 'tcp',
    contact: `<sip:6001@HERE;transport=tcp;pn-provider=apns.dev;pn-prid=ABCDEF0123:remote&456789:voip;pn-param=ABCD1234.org.linphone.phone.remote&voip;pn-silent=1;pn-timeout=0>;${instance};+org.linphone.specs="conference/2.0,ephemeral/1.1"`,
    register: ['Supported: replaces, outbound, gruu, path, record-aware'], invite: ['Supported: replaces, outbound, gruu, path, record-aware', 'Priority: normal'], session: 'Talk',
    sdp: [
      'b=AS:380', 'a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics', 'm=audio 11780 RTP/AVP 96 97 0 8 101 98', 'a=rtpmap:96 opus/48000/2', 'a=fmtp:96 useinbandfec=1', 'a=rtpmap:97 speex/16000', 'a=fmtp:97 vbr=on',
      'a=rtpmap:101 telephone-event/48000', 'a=rtpmap:98 telephone-event/8000', 'a=rtcp-fb:* trr-int 1000', 'a=rtcp-fb:* ccm tmmbr', 'm=video 0 RTP/AVP 96', 'a=inactive', 'a=rtpmap:96 VP8/90000',
    ],
  },
  Zoiper: {
    contact: '<sip:6001@HERE;rinstance=3d8c5ae1c81cf2a0;transport=UDP>', register: ['Allow-Events: presence, kpml, talk', 'Supported: replaces, norefersub, extended-refer, timer, outbound, path, X-cisco-serviceuri'],
    invite: ['Allow-Events: presence, kpml, talk'], session: 'Z',
    sdp: ['m=audio 11780 RTP/AVP 3 97 98 8 0 101', 'a=rtpmap:97 iLBC/8000', 'a=fmtp:97 mode=20', 'a=rtpmap:98 speex/8000', 'a=rtpmap:101 telephone-event/8000', 'a=fmtp:101 0-15', 'a=sendrecv'],
  },
  MicroSIP: {
    contact: '<sip:6001@HERE;ob>', register: ['Supported: outbound, path'], invite: ['Supported: replaces, 100rel, timer, norefersub', 'Session-Expires: 1800', 'Min-SE: 90', 'X-nat: 0'], session: 'pjmedia',
    sdp: [
      'b=AS:84', 'a=X-nat:0', 'm=audio 11780 RTP/AVP 8 0 101', 'c=IN IP4 198.51.100.77', 'b=TIAS:64000', 'a=rtcp:11781 IN IP4 198.51.100.77', `a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:${'QUJD'.repeat(15)}QQ==`, `a=crypto:3 AES_CM_128_HMAC_SHA1_80 ${key}`,
      'a=sendrecv', 'a=rtpmap:8 PCMA/8000', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:101 telephone-event/8000', 'a=fmtp:101 0-16', 'a=ssrc:1329583512 cname:0e2b6f9f1f5a3c11',
    ],
  },
  Bria: {
    transport: 'tcp', contact: `<sip:6001@HERE;rinstance=e5d61d5c7d2f5a28;transport=tcp>;${instance};reg-id=1`, register: ['Supported: outbound, path, eventlist'], invite: ['Supported: replaces, eventlist, timer, 100rel, outbound', 'Session-Expires: 1800;refresher=uac'],
    session: 'Cpc session', sdp: ['m=audio 11780 RTP/AVP 120 9 0 8 84 101', 'a=rtpmap:120 opus/48000/2', 'a=fmtp:120 useinbandfec=1; usedtx=1; maxaveragebitrate=64000', 'a=rtpmap:84 SILK/16000', 'a=rtpmap:101 telephone-event/8000', 'a=fmtp:101 0-15', 'a=sendrecv'],
  },
  Yealink: {
    contact: '<sip:6001@HERE>', register: ['Allow-Events: talk,hold,conference,refer,check-sync'], invite: ['Allow-Events: talk,hold,conference,refer,check-sync', 'Supported: replaces'],
    sdp: ['m=audio 11780 RTP/AVP 9 0 8 18 101', `a=crypto:1 AES_CM_128_HMAC_SHA1_80 ${key}`, `a=crypto:2 AES_CM_128_HMAC_SHA1_32 ${key}`, 'a=rtpmap:9 G722/8000', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:8 PCMA/8000', 'a=rtpmap:18 G729/8000', 'a=fmtp:18 annexb=no', 'a=rtpmap:101 telephone-event/8000', 'a=fmtp:101 0-15', 'a=ptime:20', 'a=sendrecv'],
  },
  Polycom: {
    contact: '<sip:6001@HERE>;methods="INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, MESSAGE, SUBSCRIBE, NOTIFY, PRACK, UPDATE, REFER"', register: ['Accept-Language: en', 'Supported: path'], invite: ['Accept-Language: en', 'Supported: replaces,100rel', 'Allow-Events: conference,talk,hold'],
    sdp: [
      'a=sendrecv', 'm=audio 11780 RTP/SAVP 115 9 0 8 127', `a=crypto:1 AES_CM_128_HMAC_SHA1_80 ${key}`, 'a=rtpmap:115 G7221/32000', 'a=fmtp:115 bitrate=48000', 'a=rtpmap:9 G722/8000', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:8 PCMA/8000', 'a=rtpmap:127 telephone-event/8000',
      'm=audio 11782 RTP/AVP 0 8 127', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:8 PCMA/8000', 'a=rtpmap:127 telephone-event/8000',
    ],
  },
  Grandstream: {
    contact: `<sip:6001@HERE>;reg-id=1;${instance}`, register: ['X-Grandstream-PBX: true', 'Supported: path'], invite: ['X-Grandstream-PBX: true', 'P-Early-Media: Supported', 'Supported: replaces, path, timer', 'Privacy: none', 'P-Preferred-Identity: <sip:6001@sbc.example.net>'],
    session: 'SIP Call', sdp: ['m=audio 11780 RTP/AVP 0 8 18 9 123 101', 'a=sendrecv', 'a=rtpmap:0 PCMU/8000', 'a=ptime:20', 'a=rtpmap:8 PCMA/8000', 'a=rtpmap:18 G729/8000', 'a=fmtp:18 annexb=no', 'a=rtpmap:9 G722/8000', 'a=rtpmap:123 opus/48000/2', 'a=rtpmap:101 telephone-event/8000', 'a=fmtp:101 0-15'],
  },
  Snom: {
    contact: `<sip:6001@HERE;line=8tv5yq1x>;reg-id=1;q=1.0;${instance};audio;mobility="fixed";duplex="full";description="snom370";actor="principal";events="dialog";methods="INVITE,ACK,CANCEL,BYE,REFER,OPTIONS,NOTIFY,SUBSCRIBE,PRACK,MESSAGE,INFO"`,
    register: ['X-Real-IP: 198.51.100.77', 'Allow-Events: dialog', 'Supported: path, gruu'], invite: ['X-Serialnumber: 00041312ABCD', 'P-Key-Flags: keys="3"', 'Allow-Events: talk, hold, refer, call-info', 'Supported: timer, 100rel, replaces, from-change', 'Session-Expires: 3600;refresher=uas', 'Min-SE: 90'],
    session: 'call', sdp: ['m=audio 11780 RTP/AVP 9 0 8 3 99 18 4 101', `a=crypto:1 AES_CM_128_HMAC_SHA1_32 ${key}`, 'a=rtpmap:9 G722/8000', 'a=rtpmap:99 G726-32/8000', 'a=rtpmap:18 G729/8000', 'a=rtpmap:4 G723/8000', 'a=rtpmap:101 telephone-event/8000', 'a=fmtp:101 0-15', 'a=ptime:20', 'a=sendrecv'],
  },
  'Cisco MPP': {
    contact: '"6001" <sip:6001@HERE>;expires=3600', from: '"Front desk" <sip:6001@sbc.example.net>', register: ['Supported: replaces, sec-agree, record-aware', 'Allow-Events: hold,talk,conference'], invite: ['Supported: replaces, sec-agree, record-aware', 'Allow-Events: hold,talk,conference', 'Expires: 240'], session: '-',
    sdp: [
      'm=audio 11780 RTP/SAVP 0 8 9 101', `a=crypto:1 AEAD_AES_256_GCM inline:${'QUJD'.repeat(14)}QUI=`, `a=crypto:2 AES_CM_128_HMAC_SHA1_80 ${key}`,
      'a=rtpmap:0 PCMU/8000', 'a=rtpmap:8 PCMA/8000', 'a=rtpmap:9 G722/8000', 'a=rtpmap:101 telephone-event/8000', 'a=fmtp:101 0-15', 'a=ptime:20', 'a=sendrecv',
    ],
  },
  'Cisco 79xx': {
    contact: '<sip:6001@HERE;user=phone;transport=udp>;+sip.instance="<urn:uuid:00000000-0000-0000-0000-001121aabbcc>";+u.sip!devicename.ccm.cisco.com="SEP001121AABBCC";+u.sip!model.ccm.cisco.com="7"',
    register: ['Supported: (null),X-cisco-xsi-7.0.1', 'Reason: SIP;cause=200;text="cisco-alarm:20 Name=SEP001121AABBCC Load=P0S3-8-12-00 Last=initialized"'],
    invite: ['Remote-Party-ID: "6001" <sip:6001@sbc.example.net>;party=calling;id-type=subscriber;privacy=off;screen=yes', 'Supported: replaces,join,norefersub', 'Allow-Events: kpml,dialog', 'Expires: 180'], session: 'SIP Call', sdp: [...g711.slice(0, 5)],
  },
};

const skip = engines.media === 'embedded' ? false : 'SRTP of every suite is the embedded engine\'s';

for (const [name, habit] of Object.entries(phones)) {
  t.test(`${name}: registers, is called where it is, and reaches Meta`, { skip }, async (t) => {
    const stage = await openStage({
      external: {}, overlay: {
        peers: { phones: { register: true, pstn: 'none', srtp: 'optional', accounts: { 6001: { password: 'pw-6001' } }, mayCall: [number], codecs: ['opus', 'PCMU', 'PCMA', 'G722'] } },
        routes: [{ name: 'main', number, to: [{ peer: 'phones', user: '6001' }], ringTimeout: 5 }],
      },
    });
    t.teardown(() => stage.close());
    const meta = await stage.answerAsMeta({ media: 'none', behaviour: 'noPermission' });
    const transport = habit.transport ?? 'udp';
    const [host = '', port = ''] = plainListener(stage.running, transport).split(':');
    const phone = await RawPhone.open(domain, transport, { host, port: Number(port) });
    t.teardown(() => phone.close());
    const who = { username: '6001', password: 'pw-6001' };
    // It believes to be at an address behind a NAT.
    const contact = habit.contact.replace('HERE', '198.51.100.77:5060');
    const registered = await phone.authenticated({ contact, lines: habit.register ?? [], ...(habit.from === undefined ? {} : { from: habit.from }) }, who);
    t.equal(registered.status, 200, 'REGISTER');
    t.match(registered.get('contact'), /^.*sip:6001@198\.51\.100\.77:5060.*;expires=\d+/);

    const body = ['v=0', 'o=- 20018 20018 IN IP4 198.51.100.77', `s=${habit.session ?? 'SDP data'}`, 'c=IN IP4 198.51.100.77', 't=0 0', ...habit.sdp, ''].join('\r\n');
    const called = await phone.authenticated({ method: 'INVITE', uri: `sip:+447700900101@${domain}`, to: `<sip:+447700900101@${domain}>`, contact, lines: habit.invite ?? [], body, ...(habit.from === undefined ? {} : { from: habit.from }) }, who);
    t.equal(called.status, 403, `INVITE: ${called.reason}`);
    t.equal(called.reason, 'meta noPermission', 'Meta has judged it');
    t.equal(meta.reports.length, 1);

    const user = stage.user({ media: 'none' });
    const placed = user.place();
    const invite = await new Promise<string>((resolve) => {
      const look = setInterval(() => {
        const came = phone.heard.find(({ method }) => method === 'INVITE');
        if (came === undefined) return;
        clearInterval(look);
        resolve(came.uri);
      }, 10);
    });
    t.equal(invite, /<([^>]+)>/.exec(contact)?.[1], 'its own words, parameters and all (RFC 3261 §10.3)');
    await user.cancel();
    await placed;
    user.close();
  });
}
