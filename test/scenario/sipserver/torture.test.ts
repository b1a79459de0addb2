// RFC 4475, message by message: accepted (it reaches the application), refused with a status, or dropped.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import t from 'tap';
import { start } from './harness.js';
import type { SrfRequest, SrfResponse } from './harness.js';

const FIXTURES = resolve('test/fixtures/rfc4475');

/** What the RFC asks for; the section stands beside it. Where it leaves a choice, ours. */
const EXPECTED: Record<string, 'accepted' | 'dropped' | number> = {
  wsinv: 481,             // 3.1.1.1 well formed, but of a dialog that we do not have
  intmeth: 501,           // 3.1.1.2 well formed; nobody here knows the method
  esc01: 'accepted',      // 3.1.1.3
  escnull: 'accepted',    // 3.1.1.4
  esc02: 501,             // 3.1.1.5 the % is no escape in a method: RE%47IST%45R is no REGISTER
  lwsdisp: 'accepted',    // 3.1.1.6
  longreq: 'accepted',    // 3.1.1.7
  dblreq: 'accepted',     // 3.1.1.8 the second message of the datagram is not read
  semiuri: 'accepted',    // 3.1.1.9
  transports: 'accepted', // 3.1.1.10
  mpart01: 'accepted',    // 3.1.1.11
  unreason: 'dropped',    // 3.1.1.12 a response, well formed, of no transaction
  noreason: 'dropped',    // 3.1.1.13
  badinv01: 400,          // 3.1.2.1
  badcseq: 400,           // of the RFC's archive; no section of its own
  clerr: 400,             // 3.1.2.2
  ncl: 400,               // 3.1.2.3
  scalar02: 400,          // 3.1.2.4
  scalarlg: 'dropped',    // 3.1.2.5
  quotbal: 400,           // 3.1.2.6
  ltgtruri: 400,          // 3.1.2.7
  lwsruri: 400,           // 3.1.2.8
  lwsstart: 400,          // 3.1.2.9
  trws: 400,              // 3.1.2.10
  escruri: 400,           // 3.1.2.11
  baddate: 'accepted',    // 3.1.2.12 the Date is nobody's concern here
  regbadct: 400,          // 3.1.2.13
  badaspec: 400,          // 3.1.2.14
  baddn: 400,             // 3.1.2.15
  badvers: 505,           // 3.1.2.16
  mismatch01: 400,        // 3.1.2.17
  mismatch02: 400,        // 3.1.2.18
  bigcode: 'dropped',     // 3.1.2.19
  badbranch: 'accepted',  // 3.2.1 matched as RFC 2543 would
  insuf: 400,             // 3.3.1
  unkscm: 416,            // 3.3.2
  novelsc: 416,           // 3.3.3
  unksm2: 'accepted',     // 3.3.4 whether these are names it knows is for the registrar to say
  bext01: 420,            // 3.3.5
  invut: 415,             // 3.3.6
  regaut01: 'accepted',   // 3.3.7 for the registrar to challenge
  multi01: 400,           // 3.3.8
  mcl01: 400,             // 3.3.9
  bcast: 'dropped',       // 3.3.10
  zeromf: 'accepted',     // 3.3.11 we are its end
  cparam01: 'accepted',   // 3.3.12
  cparam02: 'accepted',   // 3.3.13
  regescrt: 'accepted',   // 3.3.14
  sdp01: 406,             // 3.3.15
  inv2543: 'accepted',    // 3.4.1
};

const names = readdirSync(FIXTURES).filter((f) => f.endsWith('.dat')).map((f) => f.slice(0, -4)).sort();

t.test('the table covers all of them', async (t) => {
  t.same(Object.keys(EXPECTED).sort(), names);
});

for (const name of names) {
  const expected = EXPECTED[name];
  t.test(`${name}: ${expected}`, async (t) => {
    const out: string[] = [];
    let wake: () => void = () => { /* nobody waits */ };
    const { srf, port } = await start(t, { onMessage: (m) => { if (m.direction === 'out') { out.push(m.text); wake(); } } });
    const until = async (done: (text: string) => boolean): Promise<void> => {
      while (!out.some(done)) await new Promise<void>((resolve) => { wake = resolve; });
    };
    let reached = false;
    for (const method of ['invite', 'options', 'register', 'message']) {
      srf.use(method, (_req: SrfRequest, res: SrfResponse) => { reached = true; res.send(600); });
    }
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    t.teardown(() => { socket.close(); });
    socket.send(readFileSync(resolve(FIXTURES, `${name}.dat`)), port('udp'), '127.0.0.1');
    if (expected === 'accepted') await until((text) => text.startsWith('SIP/2.0 600 '));
    // A request that is always answered: when its answer is there, whatever came before it has been dealt with.
    socket.send(MARK, port('udp'), '127.0.0.1');
    await until((text) => text.includes('Call-ID: mark\r\n'));
    const answers = new Set(out.filter((text) => !text.includes('Call-ID: mark\r\n') && !text.startsWith('SIP/2.0 100 ')).map((text) => Number(text.slice(8, 11))));
    t.same([...answers], expected === 'accepted' ? [600] : expected === 'dropped' ? [] : [expected]);
    t.equal(reached, expected === 'accepted');
  });
}

const MARK = 'BYE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKmark\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n'
  + 'Call-ID: mark\r\nCSeq: 1 BYE\r\n\r\n';
