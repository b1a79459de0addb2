import t from 'tap';
import { unbracketed, bracketed, defaultSipPort, hostPort, splitHostPort, splitListen, udpFamily } from '../../../lib/util/hostPort.js';

t.test('IPv6 addresses have brackets in text and none at sockets', async (t) => {
  for (const [socket, text] of [['192.0.2.1', '192.0.2.1'], ['pbx.example.com', 'pbx.example.com'], ['2001:db8::1', '[2001:db8::1]'], ['::', '[::]'], ['fe80::1%eth0', '[fe80::1%eth0]']] as const) {
    t.equal(bracketed(socket), text);
    t.equal(bracketed(text), text, 'not twice');
    t.equal(unbracketed(text), socket);
    t.equal(unbracketed(socket), socket);
    t.equal(hostPort(socket, 5060), `${text}:5060`);
    t.same(splitHostPort(`${text}:5060`), { host: socket, port: 5060 });
    t.same(splitHostPort(text), { host: socket, port: null });
    t.equal(udpFamily(socket), socket.includes(':') ? 'udp6' : 'udp4');
  }
});

t.test('what is no host and port is null', async (t) => {
  for (const text of ['', ':5060', 'host:', 'host:x', 'host:5060:1', '2001:db8::1', '[2001:db8::1', '2001:db8::1]', '[]', '[]:1', 'host:65536', 'host:100000', 'host:-1', '[::1]5060', '[::1]:', '[[::1]]:1', '[host]:1', '[192.0.2.1]:1']) {
    t.equal(splitHostPort(text), null, text);
  }
  t.same(splitHostPort('host:0'), { host: 'host', port: 0 });
});

t.test('a listening point names its transport, host and port', async (t) => {
  const transports = ['udp', 'tcp', 'tls'] as const;
  t.same(splitListen('tls:0.0.0.0:5061', transports), { transport: 'tls', host: '0.0.0.0', port: 5061 });
  t.same(splitListen('udp:[::1]:0', transports), { transport: 'udp', host: '::1', port: 0 });
  for (const text of ['0.0.0.0:5060', 'ws:0.0.0.0:80', 'udp:0.0.0.0', 'udp::5060', 'udp:::1:5060', 'tls']) t.equal(splitListen(text, transports), null, text);
});

t.test('SIP has its ports', async (t) => {
  t.equal(defaultSipPort(true), 5061);
  t.equal(defaultSipPort(false), 5060);
});
