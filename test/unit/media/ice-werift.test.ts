// Another implementation at the other end, over sockets: werift's full agent, in either role, offering and answering.
import t, { type Test } from 'tap';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Candidate, Connection } from 'werift';
import { hostCandidate, IceAgent, newIceCredentials, type IceAddress } from '../../../lib/media/ice/index.js';

t.setTimeout(60_000);

interface Ours { readonly agent: IceAgent; readonly ufrag: string; readonly pwd: string; readonly local: IceAddress; readonly data: { text: string; admitted: boolean }[]; readonly socket: Socket; readonly failed: string[] }

async function ours(t: Test, controlling: boolean): Promise<Ours> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const local = { address: '127.0.0.1', port: socket.address().port };
  const credentials = newIceCredentials();
  const failed: string[] = [];
  const data: Ours['data'] = [];
  const agent = new IceAgent({
    controlling, ...credentials, local: [local],
    events: { send: (bytes, to) => { socket.send(bytes, to.port, to.address); }, selected: () => undefined, failed: (reason) => { failed.push(reason); } },
  });
  socket.on('message', (bytes, from) => {
    if ((bytes[0] ?? 255) <= 3) agent.receive(bytes, from, performance.now());
    else data.push({ text: bytes.toString(), admitted: agent.admits(from) });
  });
  const ticker = setInterval(() => { agent.tick(performance.now()); }, 5);
  t.teardown(() => {
    clearInterval(ticker);
    agent.close();
    socket.close();
  });
  return { agent, ...credentials, local, data, socket, failed };
}

async function werift(t: Test, controlling: boolean): Promise<Connection> {
  const connection = new Connection(controlling, { useIpv4: true, useIpv6: false, interfaceAddresses: { udp4: '127.0.0.1' }, additionalHostAddresses: ['127.0.0.1'] });
  await connection.gatherCandidates();
  t.teardown(() => connection.close());
  return connection;
}

async function tell(theirs: Connection, { ufrag, pwd, local }: Ours, named = true): Promise<void> {
  theirs.setRemoteParams({ iceLite: false, usernameFragment: ufrag, password: pwd });
  const { foundation, component, transport, priority, address, port, type } = hostCandidate(local);
  if (named) await theirs.addRemoteCandidate(new Candidate(foundation, component, transport, priority, address, port, type));
  await theirs.addRemoteCandidate(undefined);
}

const describe = ({ localUsername, localPassword, localCandidates }: Connection): Parameters<IceAgent['setRemote']>[0] => ({
  ufrag: localUsername, pwd: localPassword, lite: false,
  candidates: localCandidates.map(({ foundation, component, transport, priority, host, port, type }) => ({ foundation, component, transport, priority, address: host, port, type })),
});

const until = async (what: () => boolean): Promise<boolean> => {
  for (const end = performance.now() + 10_000; performance.now() < end && !what();) await sleep(5);
  return what();
};

for (const [name, we, they] of [['we control', true, false], ['werift controls', false, true], ['both would', true, true], ['neither would', false, false]] as const) {
  for (const first of ['we', 'werift'] as const) {
    t.test(`${name}, ${first} first: connected, one role each, data both ways`, async (t) => {
      const [our, their] = [await ours(t, we), await werift(t, they)];
      const received: string[] = [];
      their.onData.subscribe((bytes) => { received.push(bytes.toString()); });
      const begin = (): void => {
        our.agent.setRemote(describe(their));
        our.agent.start(performance.now());
      };
      await tell(their, our);
      if (first === 'we') begin();
      const connected = their.connect();
      if (first === 'werift') {
        // Its first checks meet an agent that has no description yet.
        await sleep(60);
        begin();
      }
      await connected;
      t.ok(await until(() => our.agent.state === 'connected'));
      t.not(our.agent.controlling, their.iceControlling);
      const { selectedPair } = our.agent;
      if (selectedPair === null) throw new Error('no pair');
      our.socket.send('x to werift', selectedPair.port, selectedPair.address);
      t.ok(await until(() => received.length > 0));
      t.same(received, ['x to werift']);
      // It may say so, and send, on a pair that our check back is still under way on.
      const isHeard = (): boolean => our.data.some(({ text, admitted }) => admitted && text === 'y from werift');
      for (let tries = 0; tries < 100 && !isHeard(); tries += 1) {
        await their.send(Buffer.from('y from werift'));
        await sleep(10);
      }
      t.ok(isHeard());
      t.same(our.failed, []);
    });
  }
}

t.test('werift was told no candidate: it finds us by our checks', async (t) => {
  const [our, their] = [await ours(t, true), await werift(t, false)];
  await tell(their, our, false);
  our.agent.setRemote(describe(their));
  our.agent.start(performance.now());
  // Without a pair to begin with it fails at once.
  await sleep(30);
  await their.connect();
  t.ok(await until(() => our.agent.state === 'connected'));
});

t.test('we were told no candidate: werift is found by its checks', async (t) => {
  const [our, their] = [await ours(t, false), await werift(t, true)];
  await tell(their, our);
  our.agent.setRemote({ ...describe(their), candidates: [] });
  our.agent.start(performance.now());
  await their.connect();
  t.ok(await until(() => our.agent.state === 'connected'));
});
