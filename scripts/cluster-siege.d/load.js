// Attempts from all sides: PBXs dial through the nodes they know to be up, WhatsApp users come through the balancer.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { MetaSide, SimulatedUser, startMeta, startPeer } from '../../dist/lib/simulator/index.js';
import { balancer, domain, meta, pairs, password } from './stage.js';

/** A call is up for so long; a BYE may be so long on its way while a node is stopped, ms. */
const [shortest, longest, byeMs] = [5000, 25_000, 40_000];

/** One attempt, and the call that it became. `lost` resolves with who was killed under it. */
class Attempt {
  constructor(user, number, node) {
    Object.assign(this, { user, number, node, balanced: node === null, placedAt: performance.now(), answered: false, over: false, doubtful: false, near: null, far: null });
    this.lost = new Promise((resolve) => { this.lose = resolve; });
    /** An end of it has said that it is over, and nobody of us had asked for it. */
    this.cut = new Promise((resolve) => { this.onCut = resolve; });
  }
}

export class Load {
  count = 0;
  /** Attempts that have no final answer yet. */
  waiting = 0;
  /** By their final status. */
  finals = {};
  lost = { node: 0, balancer: 0 };
  talked = {};
  calls = new Map();
  running = new Set();
  /** Told of each call that is answered. */
  onAnswer = () => {};

  constructor({ stage, observer, random, certs }) {
    Object.assign(this, { stage, observer, random, certs });
  }

  async open() {
    const { certs } = this;
    this.side = await MetaSide.open({ listen: `${meta}:5061`, cert: `${certs}/meta.pem`, key: `${certs}/meta.key`, mediaAddress: meta });
    this.meta = await startMeta({ side: this.side, numbers: pairs.map(({ number }) => ({ number, password, hostname: domain })), byeVia: 'same', media: 'none', behaviour: 'ring=0.2' });
    this.meta.on('call', (call) => {
      const attempt = this.calls.get(call.user);
      if (attempt === undefined) return;
      attempt.far = call;
      call.once('answered', () => { this.#answer(attempt); });
      call.once('ended', (by) => { this.#ended(attempt, `at Meta, by ${by}`); });
    });
    this.peers = new Map();
    for (const { number, pbx } of pairs) {
      const peer = await startPeer({ listen: `udp:${pbx}:5060`, media: 'none', mediaAddress: pbx });
      peer.on('call', (call) => {
        const attempt = this.calls.get(/^"?[^<]*<sip:(\+?\d+)@/.exec(call.from)?.[1]?.replace(/^\+?/, '+'));
        if (attempt === undefined) return;
        // The Contact says who has it.
        attempt.node = this.stage.nodes.find(({ address }) => new RegExp(`^Contact:.*@${address}`, 'im').test(call.message))?.name ?? null;
        attempt.near = call;
      });
      this.peers.set(number, peer);
    }
  }

  /** Places the next attempt; one in five comes from a user. */
  attempt() {
    const at = this.count;
    this.count += 1;
    const { number } = pairs[at % pairs.length];
    const nodes = this.stage.nodes.filter(({ up }) => up);
    const node = at % 5 === 4 ? null : nodes[Math.floor(this.random() * nodes.length)];
    const attempt = new Attempt(`+4477${String(10_000_000 + at)}`, number, node?.name ?? null);
    this.calls.set(attempt.user, attempt);
    this.waiting += 1;
    const work = (node === null ? this.#come(attempt) : this.#dial(attempt, node)).catch((error) => {
      this.observer.faults.push(`${attempt.user} through ${attempt.node}: ${error.message}`);
      attempt.over = true;
      this.observer.ended(attempt);
    }).finally(() => {
      this.running.delete(work);
      this.calls.delete(attempt.user);
    });
    this.running.add(work);
  }

  async #dial(attempt, node) {
    const call = await this.peers.get(attempt.number).call(`sip:${attempt.user}@${node.address}:5060`, { from: `<sip:${attempt.number}@pbx.example>` });
    attempt.near = call;
    const final = await Promise.race([call.final, attempt.lost]);
    if (this.#refused(attempt, final)) return;
    call.once('ended', () => { this.#ended(attempt, 'at the PBX'); });
    await this.#talk(attempt, () => call.bye());
  }

  async #come(attempt) {
    const { certs } = this;
    const side = await MetaSide.open({ to: `${balancer}:5061`, serverName: domain, ca: `${certs}/ca.pem`, mediaAddress: meta });
    const user = new SimulatedUser(side, { number: attempt.number, password, from: attempt.user, media: 'none' });
    attempt.far = user;
    try {
      // No connection: there is no balancer, or the node that it chose has just gone.
      const final = await Promise.race([user.place().catch(() => 0), attempt.lost]);
      if (this.#refused(attempt, final)) return;
      this.#answer(attempt);
      user.once('ended', (by) => { this.#ended(attempt, `at the user, by ${by}`); });
      await this.#talk(attempt, () => user.hangUp());
    } finally {
      await side.close();
    }
  }

  /** Whether it is over with its final answer. */
  #refused(attempt, final) {
    this.waiting -= 1;
    if (final === 200) return false;
    attempt.over = true;
    this.observer.ended(attempt);
    const why = final === 0 && attempt.doubtful !== false ? attempt.doubtful : final;
    if (typeof why === 'string') {
      this.lost[why] += 1;
      attempt.near?.close();
      attempt.far?.close();
    } else {
      if (why === 0) this.observer.faults.push(`${attempt.user} through ${attempt.node ?? 'the balancer'} had no final answer`);
      this.finals[why] = (this.finals[why] ?? 0) + 1;
    }
    return true;
  }

  #answer(attempt) {
    if (attempt.answered || attempt.over) return;
    attempt.answered = true;
    this.observer.answered(attempt);
    this.onAnswer(attempt);
  }

  async #talk(attempt, hangUp) {
    this.finals[200] = (this.finals[200] ?? 0) + 1;
    this.talked[attempt.node] = (this.talked[attempt.node] ?? 0) + 1;
    const controller = new AbortController();
    const talking = sleep(shortest + this.random() * (longest - shortest), null, { signal: controller.signal }).catch(() => undefined);
    await Promise.race([talking, attempt.lost, attempt.cut]);
    controller.abort();
    if (attempt.over) return;
    // It is down from the first BYE.
    attempt.over = true;
    this.observer.ended(attempt);
    const late = sleep(byeMs, 'late', { ref: false });
    const heard = hangUp().then(() => (attempt.far.ended ? 'heard' : once(attempt.far, 'ended')));
    if (await Promise.race([heard, attempt.lost, late]) === 'late') this.observer.faults.push(`${attempt.user} through ${attempt.node}: the far end has heard no BYE`);
  }

  /** One of its ends says that it is over. */
  #ended(attempt, how) {
    if (attempt.over || !attempt.answered) return;
    attempt.over = true;
    this.observer.ended(attempt);
    this.observer.faults.push(`a call was ended by nobody who may: ${attempt.user} of ${attempt.node}, ${how}`);
    attempt.onCut();
  }

  /** A node is no more: its calls, and what was asked of it. How many calls of each number were up there. */
  nodeKilled(name) {
    const were = new Map(pairs.map(({ number }) => [number, this.observer.of(name, number)]));
    for (const attempt of this.calls.values()) {
      // A user's attempt that no PBX has heard of may be at any node.
      if (attempt.node === null) attempt.doubtful = 'node';
      else if (attempt.node === name) this.#lose(attempt, 'node');
    }
    return were;
  }

  /** The connections through it are no more: who waits for an answer there hears none. Calls that are up go on. */
  balancerKilled() {
    for (const attempt of this.calls.values()) if (attempt.balanced && !attempt.answered && !attempt.over) this.#lose(attempt, 'balancer');
  }

  /** Users who have no node yet may wait at one that is no more, or for a balancer that is not there. */
  doubt(why) {
    for (const attempt of this.calls.values()) if (attempt.balanced && attempt.node === null && !attempt.answered) attempt.doubtful = why;
  }

  #lose(attempt, why) {
    attempt.over = true;
    this.observer.ended(attempt);
    attempt.lose(why);
    if (!attempt.answered) return;
    attempt.near?.close();
    attempt.far?.close();
  }

  async close() {
    await this.meta.close();
    for (const peer of this.peers.values()) await peer.close();
    await this.side.close();
  }
}
