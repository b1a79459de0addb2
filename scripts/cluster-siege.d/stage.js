// What the siege is laid to: nodes in networks of their own, Redis, HAProxy. Every process is ended by its id.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const domain = 'sbc.example.net';
export const password = 'n0t-a-secret';
export const [meta, balancer, store] = ['10.77.0.1', '10.77.0.3', '10.77.1.1'];
/** Each number has one peer; one pair is bounded by the number, the other by the peer. */
export const limit = 50;
export const pairs = [
  { number: '+447700900001', peer: 'first', pbx: '10.77.0.2', maxOfNumber: limit, maxOfPeer: 1000 },
  { number: '+447700900002', peer: 'second', pbx: '10.77.0.4', maxOfNumber: 1000, maxOfPeer: limit },
];

/** Whatever becomes of this process, none of them outlives it. */
const running = new Set();
process.on('exit', () => { for (const child of running) child.kill('SIGKILL'); });

/** A program that can be killed, stopped and begun again. */
class Program {
  constructor(command, args, log) {
    this.command = command;
    this.args = args;
    this.log = log;
    this.child = null;
  }

  begin() {
    const out = openSync(this.log, 'a');
    this.child = spawn(this.command, this.args, { stdio: ['ignore', out, out] });
    closeSync(out);
    const { child } = this;
    running.add(child);
    child.once('exit', () => running.delete(child));
  }

  signal(name) { this.child?.kill(name); }

  async kill() {
    const child = this.child;
    this.child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
}

/** Resolves when something takes connections there. */
async function listens(host, port) {
  for (const until = Date.now() + 120_000; ;) {
    const socket = connect(port, host);
    try {
      await once(socket, 'connect');
      return;
    } catch (error) {
      if (Date.now() > until) throw error;
      await sleep(50);
    } finally {
      socket.destroy();
    }
  }
}

export class Node {
  constructor(n, { dir, hub, certs, names, gone, skew }) {
    this.n = n;
    this.name = `n${n}`;
    this.address = `10.77.0.1${n}`;
    this.hub = hub;
    this.up = false;
    const file = join(dir, `${this.name}.json`);
    writeFileSync(file, JSON.stringify({
      domain,
      sip: { listen: [`tls:${this.address}:5061`, `udp:${this.address}:5060`, `tcp:${this.address}:5060`], tls: { cert: `${certs}/service.pem`, key: `${certs}/service.key` } },
      meta: { host: 'wa.meta.vc', port: 5061, address: meta, ca: `${certs}/ca.pem`, sources: [`${meta}/32`, `${balancer}/32`], mediaTimeout: 0 },
      media: { engine: 'embedded', workers: 1, interface: this.address },
      numbers: Object.fromEntries(pairs.map(({ number, maxOfNumber }) => [number, { password, keying: 'sdes', maxConcurrentCalls: maxOfNumber, newCallsPerDay: 1_000_000 }])),
      peers: Object.fromEntries(pairs.map(({ number, peer, pbx, maxOfPeer }) => [peer, {
        uri: `sip:${pbx}:5060`, sources: [`${pbx}/32`], pstn: 'none', users: ['6[0-9]{3}'], health: { interval: 0 }, maxConcurrentCalls: maxOfPeer, mayCall: [number],
      }])),
      routes: pairs.map(({ number, peer }) => ({ name: peer, number, to: [{ peer, user: '6001' }], ringTimeout: 20 })),
      state: { url: `redis://${store}:6379`, gone },
      node: { name: this.name, secret: 'the-nodes-only-0123456789', addresses: Object.fromEntries(names.map((name) => [name, `tcp:10.77.0.1${name.slice(1)}:5060`])) },
      http: { listen: `${this.address}:8080` }, api: { tokens: [{ name: 'siege', token: 'siege-0123456789abcdef', scopes: ['read'] }] },
      cdr: { file: join(dir, `${this.name}.cdr.jsonl`) }, log: { level: 'info' },
    }));
    // The clock of the wall only: what never steps back goes on.
    const ahead = `data:text/javascript,${encodeURIComponent(`const now=Date.now.bind(Date);const D=Date;globalThis.Date=class extends D{constructor(...a){if(a.length)super(...a);else super(now()+${skew});}static now(){return now()+${skew};}};`)}`;
    this.program = new Program('ip', ['netns', 'exec', `${hub}-${n}`, process.execPath, ...(skew === 0 ? [] : [`--import=${ahead}`]), 'dist/lib/cli/main.js', 'run', '-c', file], join(dir, `${this.name}.log`));
  }

  async begin() {
    this.program.begin();
    await listens(this.address, 8080);
    while (await this.state() !== 'up') await sleep(50);
    this.up = true;
  }

  /** What it says of Redis; null where it says nothing. */
  async state() {
    try {
      return (await (await fetch(`http://${this.address}:8080/status`, { signal: AbortSignal.timeout(1000), headers: { authorization: 'Bearer siege-0123456789abcdef' } })).json()).state.state;
    } catch {
      return null;
    }
  }

  /** Its way to Redis, and to nothing else. */
  cut(off) { execFileSync('ip', ['link', 'set', `store${this.n}`, off ? 'down' : 'up']); }
}

export class Stage {
  constructor(options) {
    const { dir, nodes } = options;
    const names = Array.from({ length: nodes }, (_, i) => `n${i + 1}`);
    this.nodes = names.map((_, i) => new Node(i + 1, { ...options, names, skew: i === 1 ? 90_000 : 0 }));
    this.redisDir = join(dir, 'redis');
    mkdirSync(this.redisDir);
    this.redis = new Program('redis-server', ['--bind', store, '--protected-mode', 'no', '--dir', this.redisDir, '--save', '', '--appendonly', 'yes', '--appendfsync', 'always'], join(dir, 'redis.log'));
    writeFileSync(join(dir, 'haproxy.cfg'), `global
  maxconn 4000
defaults
  mode tcp
  timeout connect 2s
  timeout check 2s
  timeout client 1h
  timeout server 1h
frontend sip
  bind ${balancer}:5061
  default_backend nodes
backend nodes
  balance roundrobin
  option httpchk GET /ready
  http-check expect status 200
  option redispatch
  source ${balancer}
  default-server inter 200ms fall 2 rise 1
${this.nodes.map(({ name, address }) => `  server ${name} ${address}:5061 check port 8080\n`).join('')}`);
    this.haproxy = new Program('haproxy', ['-db', '-f', join(dir, 'haproxy.cfg')], join(dir, 'haproxy.log'));
  }

  async begin() {
    await this.beginRedis();
    await Promise.all(this.nodes.map((node) => node.begin()));
    await this.beginBalancer();
  }

  /** `empty`: it has lost everything. */
  async beginRedis(empty = false) {
    if (empty) {
      rmSync(this.redisDir, { recursive: true });
      mkdirSync(this.redisDir);
    }
    this.redis.begin();
    await listens(store, 6379);
  }

  async beginBalancer() {
    this.haproxy.begin();
    await listens(balancer, 5061);
  }

  async end() {
    for (const { program } of this.nodes) await program.kill();
    await this.haproxy.kill();
    await this.redis.kill();
  }
}
