// Almost-SIP over each transport: the server goes on answering, and keeps no memory of it. FUZZ_MESSAGES=1000000 for the long run.
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { fuzzMessage, seeded } from '../../unit/sipserver/fuzz.js';
import { makeCertificates } from '../../unit/sipserver/certificates.js';
import { Peer, request, start } from './harness.js';
import type { SrfRequest, SrfResponse, Stack } from './harness.js';

const MESSAGES = Number(process.env['FUZZ_MESSAGES'] ?? 10_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 4475);
const certificates = makeCertificates();
t.teardown(() => { certificates.remove(); });
const tls = certificates.issue('fuzz', 'fuzz.example.net');

/** An application that answers everything somehow. */
function answering(srf: Stack['srf'], random: ReturnType<typeof seeded>): void {
  for (const method of ['invite', 'options', 'register', 'message', 'subscribe', 'notify', 'refer', 'info', 'publish', 'update', 'prack', 'bye']) {
    srf.use(method, (req: SrfRequest, res: SrfResponse) => {
      if (req.get('call-id').startsWith('call-') && method === 'invite' && random.below(3) === 0) res.send(180);
      else if (random.below(10) !== 0) res.send(random.pick([200, 200, 202, 302, 404, 486, 500, 603]));
    });
  }
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes in use once the garbage is gone. */
function heap(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

/** Answers an OPTIONS: the server is alive, and has read what came before on this transport or another. */
async function alive(peer: Peer, port: number): Promise<void> {
  const flow = peer.udp(port);
  const probe = request('OPTIONS', `sip:a@127.0.0.1:${port}`, flow, { 'Call-ID': `alive-${Math.random()}` });
  const seen = (): boolean => peer.seen.splice(0).some((r) => r.message.get('call-id') === probe.get('call-id'));
  for (let tries = 0; tries < 50; tries++) {
    flow.send(probe.toString());
    const deadline = Date.now() + 200;
    while (Date.now() < deadline) {
      if (seen()) return;
      await Promise.race([peer.change(), new Promise((resolve) => { setTimeout(resolve, 20); })]);
    }
  }
  throw new Error('the server has stopped answering');
}

for (const transport of ['udp', 'tcp', 'tls'] as const) {
  t.test(`${MESSAGES} messages over ${transport}`, { timeout: 60_000 + MESSAGES * 2 }, async (t) => {
    const random = seeded(SEED);
    const { srf, port, server } = await start(t, {
      listen: ['udp:127.0.0.1:0', 'tcp:127.0.0.1:0', 'tls:127.0.0.1:0'], tls, limits: { messagesPerSecond: 1e9, transactions: 2000 },
      timers: { T1: 10, T2: 40, T4: 50, D: 640 },
    });
    answering(srf, seeded(SEED));
    const peer = await Peer.on(t, ['udp:127.0.0.1:0']);
    await alive(peer, port('udp'));
    let stream: Socket | undefined;
    t.teardown(() => { stream?.destroy(); });
    let half = 0;
    for (let n = 0; n < MESSAGES; n++) {
      const text = fuzzMessage(random);
      if (transport === 'udp') peer.udp(port('udp')).send(text.length < 60_000 ? text : text.slice(0, 60_000));
      else {
        if (stream === undefined || stream.destroyed || stream.writableEnded) {
          stream = transport === 'tcp' ? connect(port('tcp'), '127.0.0.1') : tlsConnect({ port: port('tls'), host: '127.0.0.1', rejectUnauthorized: false });
          stream.on('error', () => { /* the server may well hang up */ });
          stream.resume();
          await Promise.race([once(stream, transport === 'tcp' ? 'connect' : 'secureConnect'), once(stream, 'close')]);
        }
        // In pieces, so that every boundary falls somewhere.
        const cut = random.below(text.length + 1);
        stream.write(text.slice(0, cut), 'latin1');
        stream.write(text.slice(cut), 'latin1');
        if (random.below(20) === 0) stream.destroy();
      }
      if (n % (transport === 'udp' ? 200 : 3) === 0) await turn();
      if (n % 2000 === 1999) await alive(peer, port('udp'));
      if (n === Math.floor(MESSAGES / 2)) half = heap();
    }
    await alive(peer, port('udp'));
    const stats = server.stats();
    t.ok((stats.received ?? 0) > MESSAGES / 10, `${stats.received} were read`);
    t.equal(stats.faults, 0, 'none could not be handled');
    t.ok((stats.serverTransactions ?? 0) <= 2000 && (stats.connections ?? 0) < 50, 'transactions and connections stay within their limits');
    const grown = (heap() - half) / 1e6;
    t.ok(grown < 20, `${grown.toFixed(0)} MB more than half-way`);
  });
}
