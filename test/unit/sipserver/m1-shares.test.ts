// M1, H5: who can be forged has a share of the transactions, one address half of that, and gives it back; what is left is of those who hold a connection.
import t from 'tap';
import { SipMessage } from '../../../lib/sipserver/parser/index.js';
import { DEFAULT_TIMERS, newBranch, TransactionLayer, type LayerOptions, type ServerTransaction } from '../../../lib/sipserver/transaction/index.js';
import { Guard, type Flow, type Protocol } from '../../../lib/sipserver/transport/index.js';

function rig(options: Partial<LayerOptions> = {}, belongs: () => boolean = () => false): { open: ServerTransaction[]; send(protocol: Protocol, address: string, count: number, source?: Flow['source']): number; close(): void } {
  const open: ServerTransaction[] = [];
  const layer = new TransactionLayer({
    timers: DEFAULT_TIMERS, guard: new Guard(() => undefined, (place, error) => { t.fail(`${place}: ${error.message}`); }), maxTransactions: 80, maxHeaders: 100, maxGuests: 10, question: () => true, udp: () => undefined,
    user: { request: (tx) => { open.push(tx); }, ack() { /* none */ }, stray: () => false, elsewhere: () => false, nameNode: (tag) => tag, welcome: () => true, belongs, knowsCall: () => false, ready: () => true }, ...options,
  });
  return {
    open,
    close: () => { layer.close(); },
    send(protocol, address, count, source = 'known') {
      const before = open.length;
      for (let i = 0; i < count; i++) {
        const flow: Flow = {
          id: 1, protocol, local: { address: '192.0.2.1', port: 5060 }, remote: { address, port: 5060 + i }, accepted: true, verifiedHost: undefined, certified: [], closed: false, used: false, source, traced: false,
          proved() { /* nothing to keep */ }, addUser() { /* nothing breaks */ }, removeUser() { /* see above */ }, close() { /* stays */ }, send: () => true,
        };
        const id = newBranch();
        layer.receive(SipMessage.request(i % 2 === 0 ? 'INVITE' : 'OPTIONS', 'sip:b@192.0.2.1').add('Via', `SIP/2.0/${protocol.toUpperCase()} ${address.includes(':') ? `[${address}]` : address}:5060;rport;branch=${id}`)
          .add('From', '<sip:a@b>;tag=1').add('To', '<sip:b@c>').add('Call-ID', id).add('CSeq', `1 ${i % 2 === 0 ? 'INVITE' : 'OPTIONS'}`).add('Contact', '<sip:a@b>').add('Max-Forwards', '70').add('Content-Length', '0').toBuffer(), flow);
      }
      return open.length - before;
    },
  };
}

t.test('shares', async (t) => {
  const { send, open, close } = rig();
  t.teardown(close);
  t.equal(send('udp', '192.0.2.7', 100), 30, 'one address');
  t.equal(send('udp', '192.0.2.7', 10), 0);
  t.equal(send('udp', '192.0.2.8', 10), 10, 'another has its own');
  t.equal(send('udp', '192.0.2.9', 100), 20, 'all that may be forged');
  t.equal(send('tls', '192.0.2.10', 100), 20, 'the rest is of connections');
  for (const tx of [...open]) tx.terminate();
  t.equal(send('udp', '192.0.2.7', 100), 30, 'given back');
});

t.test('a guest who shows a password counts from then on', async (t) => {
  const { send, open, close } = rig();
  t.teardown(close);
  t.equal(send('udp', '192.0.2.7', 4, 'guest'), 2, 'OPTIONS of a guest opens none');
  for (const tx of open) tx.adopt();
  t.equal(send('udp', '192.0.2.7', 100), 28);
  for (const tx of [...open]) tx.terminate();
  t.equal(send('udp', '192.0.2.7', 100), 30);
});

t.test('what belongs to a dialog of ours is served as long as there is any place, whoever sends it', async (t) => {
  let ours = false;
  const { send, close } = rig({}, () => ours);
  t.teardown(close);
  t.equal(send('udp', '192.0.2.7', 100), 30, 'its share');
  ours = true;
  t.equal(send('udp', '192.0.2.7', 10), 10, 'its BYEs');
  t.equal(send('tls', '192.0.2.8', 100, 'authenticated'), 40, 'of a phone that has shown a password as well, up to the last place');
  t.equal(send('udp', '192.0.2.7', 1), 0);
});

t.test('IPv6: a /64 has one share', async (t) => {
  const { send, close } = rig();
  t.teardown(close);
  t.equal(send('udp', '2001:db8::1', 20) + send('udp', '2001:db8::2', 20), 30);
  t.equal(send('udp', '2001:db8:0:1::1', 20), 20);
});

t.test('nobody gives way for a newcomer who is refused; somebody known from there goes before those who are not', async (t) => {
  let questions = 2;
  const known = new Set<string>();
  const { send, open, close } = rig({ maxGuests: 2, question: () => --questions >= 0, acquainted: (flow) => known.has(flow.remote.address) });
  t.teardown(close);
  const register = (address: string): number => send('udp', address, 1, 'guest');
  t.equal(register('192.0.2.1') + register('192.0.2.2'), 2);
  const alive = (): string[] => open.filter((tx) => tx.state !== 'terminated').map((tx) => tx.flow.remote.address);
  known.add('192.0.2.3');
  t.equal(register('192.0.2.3'), 0, 'no question is left');
  t.same(alive(), ['192.0.2.1', '192.0.2.2']);
  questions = 10;
  t.equal(register('192.0.2.4'), 0, 'they have just come');
  t.equal(register('192.0.2.3'), 1);
  t.same(alive(), ['192.0.2.2', '192.0.2.3']);
  known.add('192.0.2.5');
  t.equal(register('192.0.2.5'), 1);
  known.add('192.0.2.6');
  t.equal(register('192.0.2.6'), 0, 'those who are known from there do not push each other out');
  t.same(alive(), ['192.0.2.3', '192.0.2.5']);
});
