import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import t from 'tap';
import { engines } from '../helpers/engines.js';
import { domain, number } from '../helpers/service.js';
import { openStage } from './harness.js';

const run = promisify(execFile);

t.test('the payload of the call button or link chooses the route', async (t) => {
  const stage = await openStage({
    peers: { sales: {}, support: {} },
    overlay: {
      routes: [
        { name: 'orders', number, payload: '^order-', to: [{ peer: 'sales', user: '6001' }] },
        { name: 'rest', number, to: [{ peer: 'support', user: '6002' }] },
      ],
    },
  });
  t.teardown(() => stage.close());
  for (const options of [{ payload: 'order-7' }, { deeplinkPayload: 'order-8' }, { payload: 'reorder-9' }, {}]) {
    const report = await stage.call(options, 300);
    t.equal(report.status, 200, JSON.stringify(options));
  }
  const cdrs = await stage.running.records(4);
  t.same(cdrs.map((cdr) => cdr.route), ['orders', 'orders', 'rest', 'rest']);
  t.same(cdrs.map((cdr) => cdr.payload), ['order-7', 'order-8', 'reorder-9', null]);
});

t.test('what Meta says of the user reaches the peer as X-WA headers, and cannot add a header of its own', async (t) => {
  const stage = await openStage();
  t.teardown(() => stage.close());
  const incoming = stage.peers.pbx!.nextCall();
  const report = await stage.call({ userId: 'GB.1349Abc', parentUserId: 'GB.ENT.77', userName: 'annie"<sip:x@y>', phoneNumberId: '106540352242922', countryCode: 'GB' }, 300);
  t.same(report.violations, []);
  const { headers, message } = (await incoming).report();
  t.match(headers, {
    'x-wa-user-id': 'GB.1349Abc', 'x-wa-parent-user-id': 'GB.ENT.77', 'x-wa-phone-number-id': '106540352242922', 'x-wa-country-code': 'GB', 'x-wa-number': number,
  });
  t.equal(message.match(/^From:/gim)!.length, 1);
  t.match(message, /^From: "annie\\"<sip:x@y>" <sip:\+447700900101@/im, 'the quote inside the name is escaped');
  t.notMatch(message, /x-wa-meta|X-FB-/i, "Meta's own headers stay on our side");
});

t.test('behind NAT: Meta and the peer see the advertised names', { skip: engines.sip === 'embedded' ? false : 'drachtio-server has an external-ip of its own' }, async (t) => {
  const stage = await openStage({ overlay: { sip: { advertise: { meta: `${domain}:15061`, peers: 'pbx-side.example.net' } } } });
  t.teardown(() => stage.close());
  const user = stage.user();
  t.equal(await user.place(), 200);
  const { message } = stage.peers.pbx!.lastCall!.report();
  t.match(message, /^Via: SIP\/2\.0\/UDP pbx-side\.example\.net/im);
  t.match(message, /^Contact: <sip:[^>]*@pbx-side\.example\.net/im);
  await user.hangUp();
  t.same(user.report().violations, []);
  const [cdr] = await stage.running.records(1);
  const http = stage.running.service.http!;
  const ladder = await (await fetch(`http://${http}/calls/${cdr!.id}/ladder`)).text();
  t.match(ladder, /200 OK/);
});

t.test('OPTIONS is answered to Meta and to peers, and tells what we can do', { skip: await absent('sipsak') }, async (t) => {
  const stage = await openStage();
  t.teardown(() => stage.close());
  const { stdout } = await run('sipsak', ['-vv', '-s', `sip:ping@127.0.0.1:${stage.running.udp.port}`]);
  t.match(stdout, /SIP\/2\.0 200/);
  t.match(stdout, /Allow:.*INVITE/i);
  const answer = await askOverTls(stage.running.tls.port, await readFile(stage.running.certificates.ca, 'utf8'), 'OPTIONS');
  t.match(answer, /^SIP\/2\.0 200 /);
});

t.test('a stranger on TLS gets nothing, whatever its headers claim, and nothing rings', async (t) => {
  const stage = await openStage({ overlay: { meta: { sources: ['127.9.9.9/32'] } }, peers: { pbx: { config: { sources: ['127.0.1.1/32'] } } } });
  t.teardown(() => stage.close());
  const ca = await readFile(stage.running.certificates.ca, 'utf8');
  const answer = await askOverTls(stage.running.tls.port, ca, 'INVITE', 'X-FB-External-Domain: wa.meta.vc\r\nx-wa-meta-wacid: wacid.HBgM\r\nUser-Agent: Facebook SipGateway\r\n');
  if (engines.sip === 'embedded') t.equal(answer, '', 'closed');
  else t.match(answer, /^SIP\/2\.0 403 /);
  t.equal(stage.peers.pbx!.liveCalls.length + stage.peers.pbx!.reports.length, 0);
  t.ok(stage.running.log.some((line) => line.includes(engines.sip === 'embedded' ? '127.0.0.1 is not answered over tls' : 'refused a request')));
});

/** One request over a fresh TLS connection; gives the first final response, '' when the connection was closed instead. */
async function askOverTls(port: number, ca: string, method: string, headers = ''): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', servername: domain, ca });
  try {
    await once(socket, 'secureConnect');
    socket.write(`${method} sip:${number}@${domain};transport=tls SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:${socket.localPort};branch=z9hG4bKedge${method}\r\nMax-Forwards: 70\r\n`
      + `From: <sip:+447700900101@wa.meta.vc>;tag=edge\r\nTo: <sip:${number}@${domain}>\r\nCall-ID: edge-${method}\r\nCSeq: 1 ${method}\r\n`
      + `Contact: <sip:+447700900101@127.0.0.1:${socket.localPort};transport=tls>\r\n${headers}Content-Length: 0\r\n\r\n`);
    let text = '';
    for await (const chunk of socket) {
      text += String(chunk);
      const final = /SIP\/2\.0 [2-6]\d\d [^]*/.exec(text);
      if (final !== null) return final[0];
    }
    return text;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') return '';
    throw error;
  } finally {
    socket.destroy();
  }
}

async function absent(program: string): Promise<string | false> {
  return run('which', [program]).then(() => false, () => `${program} is not installed`);
}
