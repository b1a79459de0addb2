// C1: what a message of a SIP server makes somebody throw is that message's alone: the connection's next ones are read, each is counted, and the process goes on.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { SipConnections } from '../../../lib/sip/connections.js';
import type { SipRequest } from '../../../lib/sip/drachtio.js';
import { Guard } from '../../../lib/util/guard.js';

const crlf = '\r\n';
let serial = 0;

/** A drachtio-server of our own: it takes every command, and says what it is told to. */
class FakeServer {
  readonly commands: string[] = [];
  socket: Socket | null = null;
  private constructor(readonly server: Server) {}

  static async open(t: Test): Promise<FakeServer> {
    const server = createServer();
    const fake = new FakeServer(server);
    server.on('connection', (socket) => {
      fake.socket = socket;
      let rest = '';
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        rest += chunk.toString('latin1');
        for (;;) {
          const hash = rest.indexOf('#');
          const end = hash + 1 + Number(rest.slice(0, hash));
          if (hash < 0 || rest.length < end) return;
          const payload = rest.slice(hash + 1, end);
          rest = rest.slice(end);
          fake.commands.push(payload);
          const [id = '', verb = ''] = (payload.split(crlf)[0] ?? '').split('|');
          fake.say(`response|${id}|OK|${verb === 'authenticate' ? 'udp/127.0.0.1:5060' : `t${++serial}|d`}`);
        }
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => { fake.socket?.destroy(); server.close(); });
    return fake;
  }

  raw(text: string): void {
    this.socket?.write(text, 'latin1');
  }

  say(payload: string): void {
    const text = `m${++serial}|${payload}`;
    this.raw(`${text.length}#${text}`);
  }

  /** A message from the network. */
  sip(transaction: string, text: string): void {
    this.say(`sip|network|${text.length}|udp|127.0.0.9|5060|12:00:00.0|${transaction}||${crlf}${text}`);
  }
}

function request(method: string, callId: string, to = ''): string {
  return [`${method} sip:a@127.0.0.1 SIP/2.0`, 'Via: SIP/2.0/UDP 127.0.0.9;branch=z9hG4bKx', 'From: <sip:b@127.0.0.9>;tag=1', `To: <sip:a@127.0.0.1>${to}`, `Call-ID: ${callId}`, `CSeq: 1 ${method}`,
    'Contact: <sip:b@127.0.0.9>', 'Content-Length: 0', '', ''].join(crlf);
}

async function open(t: Test, take: (req: SipRequest) => void): Promise<{ fake: FakeServer; connections: SipConnections; faults: string[]; downs: () => number }> {
  const fake = await FakeServer.open(t);
  const faults: string[] = [];
  let downs = 0;
  const connections = new SipConnections([{ host: '127.0.0.1', port: (fake.server.address() as AddressInfo).port, secret: 's' }], { info: () => undefined, warn: () => undefined },
    new Guard(() => { faults.push('counted'); }, (place, error) => { faults.push(`${place}: ${error.message}`); }));
  connections.on('down', () => { downs += 1; });
  t.teardown(() => { connections.close(); });
  await connections.connect(3000, { request: take, message: (entry) => { if (entry.text.includes('unheard-of')) throw new Error('the trace has it not'); } });
  return { fake, connections, faults, downs: () => downs };
}

async function until(test: () => boolean): Promise<boolean> {
  for (const end = Date.now() + 3000; Date.now() < end; await new Promise((resolve) => { setTimeout(resolve, 5); })) if (test()) return true;
  return false;
}

t.test('a listener that throws: CANCEL, a trace, a handler', async (t) => {
  const taken: string[] = [];
  const { fake, faults, downs } = await open(t, (req) => {
    taken.push(`${req.method} ${req.get('Call-ID')}`);
    if (req.get('Call-ID') === 'broken') throw new Error('the handler');
    if (req.method === 'INVITE') req.on('cancel', () => { throw new Error('the listener'); });
  });
  fake.sip('t1', request('INVITE', 'c1'));
  t.ok(await until(() => taken.includes('INVITE c1')));
  fake.sip('t2', request('CANCEL', 'c1'));
  fake.sip('t3', request('OPTIONS', 'after'));
  t.ok(await until(() => taken.includes('OPTIONS after')), 'what came behind it is read');
  t.same(faults, ['counted', 'message of the SIP server: the listener']);
  fake.sip('t4', request('MESSAGE', 'unheard-of'));
  fake.sip('t5', request('OPTIONS', 'later'));
  t.ok(await until(() => taken.includes('OPTIONS later')));
  t.same(faults.slice(2), ['counted'], 'the second of a minute is counted only');
  fake.sip('t6', request('MESSAGE', 'broken'));
  t.ok(await until(() => fake.commands.some((text) => text.includes('SIP/2.0 500'))), 'a handler that throws: 500');
  t.same(faults.slice(3), ['counted', 'request: the handler']);
  t.equal(taken.filter((text) => text === 'INVITE c1').length, 1, 'nothing is read twice');
  t.equal(downs(), 0);
});

t.test('what cannot be framed ends the connection, which is made anew', async (t) => {
  const taken: string[] = [];
  const { fake, connections, faults, downs } = await open(t, (req) => { taken.push(req.get('Call-ID') ?? ''); });
  for (const [i, rubbish] of ['rubbish#', '-1#x', '0#', '99999999999999999999#x'].entries()) {
    const again = once(connections, 'up');
    fake.raw(rubbish);
    await again;
    t.equal(downs(), i + 1, rubbish);
  }
  t.same(faults, []);
  fake.sip('t9', request('OPTIONS', 'again'));
  t.ok(await until(() => taken.includes('again')));
});
