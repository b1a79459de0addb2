// Records go to those who want them beside the file, and nobody waits for them.
import t from 'tap';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server as HttpServer } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { openSinks, type SinkConfig } from '../../../lib/records/sinks/index.js';
import { syslogMessage } from '../../../lib/records/sinks/syslog.js';

interface Rig { readonly warned: string[]; readonly recovered: string[]; readonly outcomes: Map<string, number>; open(row: Partial<SinkConfig>): ReturnType<typeof openSinks>; until(holds: () => boolean): Promise<void> }

function rig(t: { after(work: () => Promise<void>): void }): Rig {
  const [warned, recovered]: [string[], string[]] = [[], []];
  const outcomes = new Map<string, number>();
  return {
    warned, recovered, outcomes,
    open: (row) => {
      const sinks = openSinks([{ http: null, authorization: null, syslog: null, ...row }], {
        log: { warn: (fields, message) => { warned.push(`${message} ${JSON.stringify(fields)}`); }, info: (fields, message) => { recovered.push(`${message} ${JSON.stringify(fields)}`); } },
        onOutcome: (_sink, outcome, records) => { outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + records); }, firstPause: 20,
      });
      t.after(() => sinks.close());
      return sinks;
    },
    until: async (holds) => {
      for (const end = Date.now() + 10_000; !holds() && Date.now() < end;) await pause(5);
      if (!holds()) throw new Error('it did not come');
    },
  };
}

async function text(request: IncomingMessage): Promise<string> {
  let all = '';
  for await (const part of request) all += String(part);
  return all;
}

async function listening(t: { after(work: () => void): void }, server: HttpServer | Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => { server.close(); });
  return (server.address() as AddressInfo).port;
}

t.test('HTTP: each record once, in order, after a receiver that was down and one that errs; told of once', async (t) => {
  const { warned, recovered, outcomes, open, until } = rig(t);
  let answers: number[] = [];
  const got: number[] = [];
  const headers: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      headers.push(request.headers['content-type'], request.headers.authorization);
      const status = answers.shift() ?? 204;
      if (status < 300) got.push(...body.trimEnd().split('\n').map((line) => (JSON.parse(line) as { n: number }).n));
      response.writeHead(status).end();
    });
  });
  const port = await listening(t, server);
  const sinks = open({ http: `http://127.0.0.1:${port}/cdr?key=secret`, authorization: 'Bearer abc' });
  answers = [500, 429, 302];
  for (let n = 0; n < 250; n += 1) sinks.write({ n, text: 'line\nend \u202e' });
  await until(() => got.length === 250);
  t.same(got, Array.from({ length: 250 }, (_, n) => n));
  t.same([warned.length, recovered.length], [1, 1], warned.join());
  t.match(warned, [/it answers 500/]);
  t.notMatch(warned.join(), /secret/);
  t.same([...new Set(headers)], ['application/x-ndjson', 'Bearer abc']);
  await until(() => outcomes.get('sent') === 250);

  answers = [413];
  sinks.write({ n: 250 });
  await until(() => outcomes.get('refused') === 1);
  sinks.write({ n: 251 });
  await until(() => got.includes(251));
  t.notOk(got.includes(250), 'what will never be taken is given up');
});

t.test('HTTP: a receiver that refuses some and then dies is told of for both, each once', async (t) => {
  const { warned, recovered, outcomes, open, until } = rig(t);
  let status = 413;
  const server = createServer((request, response) => { void text(request).then(() => response.writeHead(status).end()); });
  const sinks = open({ http: `http://127.0.0.1:${await listening(t, server)}/` });
  for (let n = 1; n <= 3; n += 1) {
    sinks.write({ n });
    await until(() => outcomes.get('refused') === n);
  }
  status = 500;
  sinks.write({ n: 4 });
  await until(() => warned.length === 2);
  t.match(warned, [/refuses them.*413/, /does not take them.*500/]);
  status = 200;
  await until(() => outcomes.get('sent') === 1);
  t.equal(recovered.length, 1);
});

t.test('HTTP: a receiver that is dead costs bounded memory, and nobody who writes or ends the service waits for it', async (t) => {
  const { warned, outcomes, open, until } = rig(t);
  const closed = createServer();
  const port = await listening(t, closed);
  closed.close();
  const sinks = open({ http: `http://127.0.0.1:${port}/` });
  t.same([...outcomes], [['sent', 0], ['refused', 0], ['dropped', 0]], 'counted from zero on');
  const began = performance.now();
  for (let n = 0; n < 15_000; n += 1) sinks.write({ n, text: 'x'.repeat(2000) });
  t.ok(performance.now() - began < 2000, 'they are taken at once');
  await until(() => warned.length > 1);
  t.ok((outcomes.get('dropped') ?? 0) >= 15_000 - 8000, `${outcomes.get('dropped')} were given up: 16 MB are 8,000 of them`);
  t.equal(warned.filter((line) => /does not take them/.test(line)).length, 1);
  t.equal(warned.filter((line) => /room for/.test(line)).length, 1);
  const before = performance.now();
  await sinks.close();
  await sinks.close();
  t.ok(performance.now() - before < 500);
  t.equal(outcomes.get('dropped'), 15_000, 'every one is accounted for');
  sinks.write({ n: 1 });
  t.equal(outcomes.get('dropped'), 15_000);
});

t.test('syslog over UDP and TCP: RFC 5424, one message a record, with its length before it over TCP', async (t) => {
  const { outcomes, open, until, warned } = rig(t);
  const form = /^<134>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+ wa-b2bua \d+ cdr - (\{.*\})$/s;
  const socket = createSocket('udp4');
  const heard: string[] = [];
  socket.on('message', (message) => { heard.push(message.toString()); });
  await new Promise<void>((resolve) => { socket.bind(0, '127.0.0.1', resolve); });
  t.after(() => { socket.close(); });
  const udp = open({ syslog: `udp:127.0.0.1:${socket.address().port}` });
  udp.write({ n: 1, name: 'Zoë' });
  udp.write({ n: 2, text: 'x'.repeat(66_000) });
  udp.write({ n: 3 });
  await until(() => heard.length === 2);
  t.same(heard.map((message) => (JSON.parse(form.exec(message)?.[1] ?? '{}') as { n: number }).n), [1, 3]);
  t.match(warned, [/longer than a datagram/]);
  t.same([outcomes.get('sent'), outcomes.get('refused')], [2, 1], 'those beside it are not counted as refused');

  let bytes = Buffer.alloc(0);
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createTcpServer((peer) => {
    connections += 1;
    sockets.add(peer);
    peer.on('data', (part) => { bytes = Buffer.concat([bytes, part]); });
    peer.on('error', () => undefined);
  });
  const port = await listening(t, server);
  const tcp = open({ syslog: `tcp:127.0.0.1:${port}` });
  const frames = (): number[] => {
    const all: number[] = [];
    for (let at = 0; at < bytes.length;) {
      const space = bytes.indexOf(32, at);
      const length = Number(bytes.subarray(at, space).toString());
      all.push((JSON.parse(form.exec(bytes.subarray(space + 1, space + 1 + length).toString())?.[1] ?? '{}') as { n: number }).n);
      at = space + 1 + length;
    }
    return all;
  };
  for (let n = 0; n < 150; n += 1) tcp.write({ n, name: 'Zoë' });
  await until(() => outcomes.get('sent') === 152);
  await until(() => frames().length === 150);
  t.same(frames(), Array.from({ length: 150 }, (_, n) => n));
  t.equal(connections, 1);
  bytes = Buffer.alloc(0);
  for (const peer of sockets) peer.destroy();
  await pause(50);
  tcp.write({ n: 200 });
  await until(() => frames().includes(200));
  t.equal(connections, 2, 'a server that has closed is connected to anew');
});

t.test('syslog over TCP: a server that takes nothing keeps nobody who ends the service', async (t) => {
  const { open, outcomes } = rig(t);
  const peers = new Set<Socket>();
  const server = createTcpServer((peer) => { peers.add(peer.pause()); peer.on('error', () => undefined); });
  const port = await listening(t, server);
  t.after(() => { for (const peer of peers) peer.destroy(); });
  const sinks = open({ syslog: `tcp:127.0.0.1:${port}` });
  for (let n = 0; n < 100; n += 1) sinks.write({ n, text: 'x'.repeat(150_000) });
  while (peers.size === 0) await pause(10);
  const began = performance.now();
  await sinks.close();
  t.ok(performance.now() - began < 4000, `${Math.round(performance.now() - began)} ms`);
  t.equal(outcomes.get('dropped'), 100);
});

t.test('a host name that syslog could not read is left out', async (t) => {
  t.match(syslogMessage('{}', 0, 'ho st\n').toString(), /^<134>1 1970-01-01T00:00:00\.000Z host wa-b2bua \d+ cdr - \{\}$/);
  t.match(syslogMessage('{}', 0, 'é').toString(), / - wa-b2bua /);
});
