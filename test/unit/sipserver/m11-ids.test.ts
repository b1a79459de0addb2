// M11: what parts the names of dialogs in the client protocol cannot be in a Call-ID or a tag; what Meta and other real senders write can.
import t from 'tap';
import { checkRequest, checkResponse, parseMessage } from '../../../lib/sipserver/parser/index.js';

const text = (start: string, { callId = 'a@b', from = 'x', to = '' } = {}): Buffer => Buffer.from([
  start, 'Via: SIP/2.0/UDP 127.0.0.9;branch=z9hG4bK1', `From: <sip:a@b>;tag=${from}`, `To: <sip:c@d>${to === '' ? '' : `;tag=${to}`}`, `Call-ID: ${callId}`, 'CSeq: 1 INVITE', '', '',
].join('\r\n'), 'latin1');

function fault(start: string, ids: Parameters<typeof text>[1]): string | undefined {
  const { message, fault: broken } = parseMessage(text(start, ids), { headers: 100 });
  if (message === undefined) throw new Error('not read');
  return (broken ?? (message.isRequest ? checkRequest(message) : checkResponse(message)))?.reason;
}

const INVITE = 'INVITE sip:c@d SIP/2.0';
const OK = 'SIP/2.0 200 OK';

t.test('refused', (t) => {
  for (const callId of ['a|b', '|', 'a b', 'a;from-tag=x', 'a,b', 'a@b@c', '@b', 'a@', 'a\x01b', 'a\xe2\x80\xa8b']) {
    t.equal(fault(INVITE, { callId }), 'Bad Call-ID', callId);
    t.equal(fault(OK, { callId }), 'Bad Call-ID', `response ${callId}`);
  }
  for (const tag of ['x|y', '|', 'a\xe9']) {
    t.equal(fault(INVITE, { from: tag }), 'Bad From tag', tag);
    t.equal(fault(INVITE, { to: tag }), 'Bad To tag', tag);
    t.equal(fault(OK, { to: tag }), 'Bad To tag', `response ${tag}`);
  }
  t.end();
});

t.test('taken: as Meta writes them, as RFC 4475 does, and as PBXs do', (t) => {
  for (const callId of ['outgoing:wacid.HBgMNTU1MTIzNDU2NzgVAgA+/w==', 'intmeth.word%ZK-!.*_+\'@word`~)(><:\\/"][?}{', '1-2-3@[2001:db8::1]', '7a1b-4c@10.0.0.7', '3848276298220188511@atlanta.example.com']) {
    t.equal(fault(INVITE, { callId }), undefined, callId);
  }
  for (const tag of ['as58f4201b', 'gK0c0f12ab', '4bd2f1-22==', 'a7/Zx+9', '1c2-3.4~5']) t.equal(fault(INVITE, { from: tag, to: tag }), undefined, tag);
  t.end();
});
