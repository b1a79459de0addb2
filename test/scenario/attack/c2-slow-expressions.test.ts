// C2, N1: no message of a stranger's, and no response of a peer's, keeps the service busy.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { get } from 'node:http';
import t, { type Test } from 'tap';
import { RawPeer, sdp } from '../../helpers/rawPeer.js';
import { openStage, type Stage } from '../harness.js';

/** U+2028 in UTF-8: what `.` of a JavaScript expression does not match. */
const LINE_SEPARATOR = '\xe2\x80\xa8';
/** Generous for a loaded machine; each of these once took from seconds to hours. */
const PATIENCE = 1500;

function health(stage: Stage): Promise<number> {
  const begun = performance.now();
  return new Promise((resolve, reject) => {
    get(`http://${stage.running.service.http}/health`, (response) => response.resume().on('end', () => resolve(performance.now() - begun))).on('error', reject);
  });
}

async function open(t: Test): Promise<{ stage: Stage; pbx: RawPeer }> {
  const pbx = await RawPeer.open();
  const stage = await openStage({ external: { pbx: { port: pbx.port } }, overlay: { meta: { mediaTimeout: 0 }, limits: { ban: { after: 0 } }, routes: [{ name: 'main', number: '+447700900001', to: [{ peer: 'pbx', user: '6001' }], ringTimeout: 5 }] } });
  t.teardown(async () => {
    await stage.close();
    pbx.close();
  });
  return { stage, pbx };
}

const size = 30_000;
const shapes: readonly (readonly [string, readonly string[], string])[] = [
  ['a boundary with a line separator behind', [`Content-Type: multipart/mixed${';boundary='.repeat(size / 10)}${LINE_SEPARATOR}`], 'a\r\n\r\nb'],
  ['blanks in a part', ['Content-Type: multipart/mixed;boundary=x'], `--x\r\n${'Content-Type:'.repeat(200)}${' '.repeat(size)}\r\n\r\nb`],
  ['a name with an escape', [`%43ontent-Type: multipart/mixed${';boundary='.repeat(size / 10)}${LINE_SEPARATOR}`], 'a\r\n\r\nb'],
  ['odd case, folded', [`cOnTeNt-tYpE: multipart/mixed\r\n ${';boundary='.repeat(size / 10)}${LINE_SEPARATOR}`], 'a\r\n\r\nb'],
  ['the compact name', [`c: multipart/mixed${';boundary='.repeat(size / 10)}${LINE_SEPARATOR}`], 'a\r\n\r\nb'],
  ['blanks behind a colon', [`X-Blank:${' '.repeat(size)}${LINE_SEPARATOR}x`], ''],
  ['a contact of semicolons', ['X-A: 1', `Contact: <sip:a@127.0.0.1>${';a'.repeat(size / 2)}${LINE_SEPARATOR}`], ''],
];

t.test('requests of a stranger, over UDP and TCP', async (t) => {
  const { stage } = await open(t);
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.9');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  let n = 0;
  for (const method of ['INVITE', 'OPTIONS', 'MESSAGE']) {
    for (const [what, headers, body] of shapes) {
      n += 1;
      const text = [`${method} sip:+447700900101@127.0.0.1 SIP/2.0`, `Via: SIP/2.0/UDP 127.0.0.9;rport;branch=z9hG4bK${n}`, 'From: <sip:a@b>;tag=1', 'To: <sip:c@d>', `Call-ID: c2-${n}`, `CSeq: 1 ${method}`,
        ...(headers.some((h) => h.startsWith('Contact')) ? [] : ['Contact: <sip:a@127.0.0.9>']), ...headers, `Content-Length: ${body.length}`, '', body].join('\r\n');
      socket.send(Buffer.from(text, 'latin1'), stage.running.udp.port, '127.0.0.1');
      // The datagram is read first.
      await new Promise((resolve) => setTimeout(resolve, 5));
      const took = await health(stage);
      t.ok(took < PATIENCE, `${method}, ${what}: health answers`, { took });
    }
  }
});

t.test('responses of the PBX that is called', async (t) => {
  const { stage, pbx } = await open(t);
  const reasons = [`${' '.repeat(size)}${LINE_SEPARATOR}`, `OK${LINE_SEPARATOR}${' '.repeat(size)}x`, `${LINE_SEPARATOR}${'\t '.repeat(size / 2)}`];
  for (const [index, reason] of reasons.entries()) {
    let worst = 0;
    pbx.script((invite, peer) => {
      peer.answer(invite, 180, { reason });
      setTimeout(() => {
        peer.answer(invite, 200, { reason, body: sdp() });
        setTimeout(() => void health(stage).then((ms) => { worst = ms; }), 5);
      }, 20);
    });
    const report = await stage.call({ expect: [] }, 200);
    t.equal(report.status, 200, 'the call is answered whatever the words are');
    t.ok(worst < PATIENCE, `reason ${index}`, { worst });
    const [record] = (await stage.running.records(index + 1)).slice(-1);
    t.match(record?.termination, { by: 'user', reason: 'hangup' });
  }
});
