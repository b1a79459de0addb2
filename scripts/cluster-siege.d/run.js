// scripts/cluster-siege: attempts at a steady rate while one thing after another is killed, stopped or cut off; prints what became of them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeCertificates } from '../../dist/lib/cli/quickstart/certificates.js';
import { Load } from './load.js';
import { Observer } from './observer.js';
import { domain, limit, pairs, Stage } from './stage.js';

const text = (name, fallback) => (process.argv.includes(`--${name}`) ? process.argv[process.argv.indexOf(`--${name}`) + 1] : fallback);
const list = (name, fallback) => text(name, fallback).split(',');
const [attempts, rate, seed] = [Number(text('attempts', '10000')), Number(text('rate', '60')), Number(text('seed', '1'))];
/** Attempts without their final answer, at most: a machine that is slow gets fewer a second. */
const mostWaiting = 40;
const hub = process.argv[2];
/** Milliseconds: a lease; recovery that is asked for; between things that are done to them. */
const [leaseMs, recoveryMs, calmMs] = [5000, 5000, 5000];
/** What may have been taken by others since a node heard of them last: it renews each second, and waits half a second for an answer. */
const unheardMs = 1500;
/** What is waited for comes before, or not at all. */
const patienceMs = 60_000;

/** The same for the same seed: mulberry32. */
function dice(from) {
  let state = from;
  return () => {
    state = (state + 0x6D2B79F5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

class Siege {
  constructor(nodes, gone, dir) {
    this.gone = gone;
    this.certs = join(dir, 'certs');
    makeCertificates(this.certs, domain, 'wa.meta.vc');
    this.observer = new Observer();
    this.random = dice(seed);
    this.stage = new Stage({ dir, hub, nodes, gone, certs: this.certs });
    this.load = new Load({ stage: this.stage, observer: this.observer, random: this.random, certs: this.certs });
    this.recoveries = {};
  }

  get nodes() { return this.stage.nodes; }

  pick() { return this.nodes[Math.floor(this.random() * this.nodes.length)]; }

  /** Resolves with when the call was placed that is answered and of that kind. */
  async answer(wanted) {
    const found = new Promise((resolve) => { this.load.onAnswer = (attempt) => { if (wanted(attempt)) resolve(attempt.placedAt); }; });
    const placedAt = await Promise.race([found, sleep(patienceMs, null, { ref: false })]);
    if (placedAt === null) this.observer.faults.push(`nothing of the kind was answered for ${patienceMs / 1000} s`);
    return placedAt ?? performance.now();
  }

  recovered(what, ms) {
    (this.recoveries[what] ??= []).push(Math.round(ms));
    if (ms > recoveryMs) this.observer.faults.push(`${what}: ${Math.round(ms)} ms until it was over`);
  }

  /** Resolves when these nodes say that Redis is there. */
  async heard(nodes) {
    for (const node of nodes) while (await node.state() !== 'up') await sleep(20);
  }

  async killNode() {
    const node = this.pick();
    node.up = false;
    await node.program.kill();
    const began = performance.now();
    const were = this.load.nodeKilled(node.name);
    // Others have its places: a call beyond what it left them.
    // The balancer notices after a while: who comes to the node that is no more meanwhile hears nothing, and comes again.
    const away = setInterval(() => this.load.doubt('node'), 10);
    this.recovered('kill -9 of a node, its places', await this.answer(({ number }) => this.observer.up.get(number).size > limit - Math.max(1, were.get(number))) - began);
    await node.begin();
    clearInterval(away);
  }

  /** While Redis is gone each node takes its share, as it has heard of the others last. */
  allowedWhileGone() {
    const unheard = new Map(pairs.map(({ number }) => [number, this.gone === 'share' ? this.observer.recent(number, unheardMs) : 0]));
    return this.observer.allow('Redis is gone', (number) => unheard.get(number));
  }

  async redisGone(what, away, back) {
    const allowed = this.allowedWhileGone();
    await away();
    await sleep(2000);
    const began = performance.now();
    await back();
    await this.heard(this.nodes);
    this.recovered(what, performance.now() - began);
    this.over(what, allowed);
  }

  over(what, allowed) {
    const most = allowed.end();
    if (most > 0) (this.beyond ??= []).push(`${what}: ${most}`);
  }

  killRedisEmpty() { return this.redisGone('kill -9 of Redis, empty', () => this.stage.redis.kill(), () => this.stage.beginRedis(true)); }

  killRedis() { return this.redisGone('kill -9 of Redis, with its data', () => this.stage.redis.kill(), () => this.stage.beginRedis()); }

  stopRedis() { return this.redisGone('SIGSTOP of Redis', () => this.stage.redis.signal('SIGSTOP'), () => this.stage.redis.signal('SIGCONT')); }

  async killBalancer() {
    await this.stage.haproxy.kill();
    this.load.balancerKilled();
    const away = setInterval(() => this.load.doubt('balancer'), 10);
    await sleep(1000);
    const began = performance.now();
    await this.stage.beginBalancer();
    clearInterval(away);
    this.load.doubt('balancer');
    this.recovered('kill -9 of the balancer', await this.answer(({ balanced, placedAt }) => balanced && placedAt > began) - began);
  }

  /** A node that others do not see for longer than a lease: they have its places, and its calls are up all the same. */
  async apart(what, node, away, back, ms) {
    const allowed = this.observer.allow(`node ${node.name} is apart`, (number) => this.observer.of(node.name, number));
    await away();
    await sleep(ms);
    const began = performance.now();
    await back();
    await this.heard([node]);
    this.recovered(what, performance.now() - began);
    this.over(what, allowed);
  }

  stopNode() {
    const node = this.pick();
    // A PBX goes elsewhere where it hears nothing.
    node.up = false;
    return this.apart('SIGSTOP of a node for longer than its lease', node, () => node.program.signal('SIGSTOP'), () => {
      node.program.signal('SIGCONT');
      node.up = true;
    }, leaseMs + 3000);
  }

  cutShort() {
    const node = this.pick();
    return this.apart('a node cut off from Redis for 3 s', node, () => node.cut(true), () => node.cut(false), 3000);
  }

  cutLong() {
    const node = this.pick();
    return this.apart('a node cut off from Redis for 9 s', node, () => node.cut(true), () => node.cut(false), leaseMs + 4000);
  }

  async run() {
    await this.stage.begin();
    await this.load.open();
    let on = true;
    const began = performance.now();
    const attacks = ['killNode', 'killRedisEmpty', 'cutLong', 'killBalancer', 'stopNode', 'killRedis', 'cutShort', 'stopRedis'];
    const attack = async () => {
      await sleep(calmMs);
      for (let i = 0; on; i += 1) {
        const name = attacks[i % attacks.length];
        console.error(`${((performance.now() - began) / 1000).toFixed(1)} s: ${name}`);
        await this[name]();
        await sleep(calmMs);
      }
    };
    const attacking = attack();
    let over = false;
    const attacked = attacking.catch((error) => { this.observer.faults.push(`what was done to them failed: ${error.message}`); }).then(() => { over = true; });
    // The last attack may want some more.
    while (this.load.count < attempts || !over) {
      if (this.load.waiting < mostWaiting) this.load.attempt();
      on = this.load.count < attempts;
      await sleep(1000 / rate);
    }
    await attacked;
    const seconds = (performance.now() - began) / 1000;
    await Promise.all(this.load.running);
    const { finals, lost, talked, count } = this.load;
    const twice = this.nodes.some(({ up }) => !up);
    if (twice) this.observer.faults.push('a node has not come back');
    return {
      nodes: this.nodes.length, gone: this.gone, attempts: count, seconds: Math.round(seconds), finals, lostWith: lost, talkedThrough: talked,
      highest: Object.fromEntries(this.observer.highest), beyondWhileApart: this.beyond ?? [], recoveriesMs: this.recoveries, faults: this.observer.faults,
    };
  }

  async end() {
    await this.load.close().catch(() => undefined);
    await this.stage.end();
  }
}

let failed = false;
for (const nodes of list('nodes', '2,3').map(Number)) {
  for (const gone of list('gone', 'share,refuse')) {
    const dir = mkdtempSync(join(tmpdir(), 'wab-cluster-siege-'));
    const siege = new Siege(nodes, gone, dir);
    const stop = () => void siege.end().finally(() => process.exit(1));
    process.once('SIGINT', stop).once('SIGTERM', stop);
    try {
      const result = await siege.run();
      console.log(JSON.stringify(result, null, 2));
      failed ||= result.faults.length > 0;
    } finally {
      await siege.end();
      process.off('SIGINT', stop).off('SIGTERM', stop);
      if (process.argv.includes('--keep')) console.error(`logs: ${dir}`);
      else rmSync(dir, { recursive: true, force: true });
    }
  }
}
console.log(failed ? 'the siege did harm' : 'the siege did no harm');
process.exit(failed ? 1 : 0);
