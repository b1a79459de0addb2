// Times the policy of a large configuration. Each sample is a batch of calls, as the clock is too coarse for one.
import { cpus } from 'node:os';
import { stringify } from 'yaml';
import { parseConfig } from '../../dist/lib/config/load.js';
import { compilePolicy, judgeCaller, judgeLeak, judgeTarget, prove } from '../../dist/lib/policy/index.js';

const counts = { numbers: 1000, peers: 200, routes: 500 };
const samples = 2000;
const batch = 20;

const number = (i) => `+4477009${String(i).padStart(5, '0')}`;
const peerName = (i) => `pbx${i % counts.peers}`;
const tree = {
  domain: 'sbc.example.net', sip: { tls: { cert: 'c', key: 'k' } },
  numbers: Object.fromEntries(Array.from({ length: counts.numbers }, (_, i) => [number(i), { password: 'x' }])),
  peers: Object.fromEntries(Array.from({ length: counts.peers }, (_, i) => [peerName(i), {
    uri: i % 2 === 0 ? `sip:10.0.${i}.7;transport=tcp` : `sip:pbx${i}.example.net:5070`, sources: [`10.0.${i}.7`], pstn: 'none', country: 'GB',
    users: ['6[0-9]{3}', 'support', '7[0-4][0-9]{2}', 'agent-[a-z]{1,12}', `+4420794${String(i).padStart(5, '0')}`], mayTransferTo: [peerName(i + 1)],
    mayCall: Array.from({ length: 5 }, (_n, j) => number(i * 5 + j)),
  }])),
  routes: Array.from({ length: counts.routes }, (_, i) => ({ name: `route${i}`, number: number(i), to: [{ peer: peerName(i), user: '6001' }, { peer: peerName(i + 7), user: 'support' }] })),
  policy: { carriers: Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? `198.51.100.${i}/32` : `carrier${i}.example`)) },
};
const config = parseConfig(stringify(tree), { env: {}, path: 'bench' });

/** Milliseconds of one run. */
function once(work) {
  const from = performance.now();
  work();
  return performance.now() - from;
}

/** Microseconds of one call of `judge(i)`: median, 99th percentile. */
function time(judge) {
  for (let i = 0; i < samples; i++) judge(i);
  const times = Array.from({ length: samples }, (_, sample) => {
    const from = performance.now();
    for (let i = 0; i < batch; i++) judge(sample * batch + i);
    return (performance.now() - from) * 1000 / batch;
  }).sort((a, b) => a - b);
  const at = (share) => Number(times[Math.floor(times.length * share)].toFixed(2));
  return { medianUs: at(0.5), p99Us: at(0.99) };
}

const compileMs = once(() => compilePolicy(config));
const policy = compilePolicy(config);
const proveMs = once(() => prove(policy));
const { faults, ...proof } = prove(policy);
if (faults.length > 0) throw new Error(JSON.stringify(faults[0]));

const route = (i) => ({ origin: 'route', number: number(i % counts.routes), route: `route${i % counts.routes}`, peer: peerName(i % counts.routes), by: null, uri: policy.peers.get(peerName(i % counts.routes)).uri.replace('sip:', 'sip:6001@') });
const referred = (i) => ({ origin: 'refer', number: number(i % counts.numbers), route: null, peer: null, by: peerName(i), uri: policy.peers.get(peerName(i + 1)).uri.replace('sip:', i % 2 === 0 ? 'sip:agent-anna@' : 'sip:+44-20-7946-0000@') });
const foreign = (i) => ({ origin: 'redirect', number: number(i % counts.numbers), route: null, peer: null, by: peerName(i), uri: i % 2 === 0 ? `sip:+12025550${100 + (i % 900)}@203.0.113.${i % 250};user=phone` : `sip:6001@carrier${i % 50}.example` });
const caller = (i) => ({ peer: peerName(i), uri: `sip:+4477009${String(10_000 + (i % 80_000))}@sbc.example.net`, body: 'v=0\r\nc=IN IP4 10.0.0.7\r\nm=audio 4000 RTP/AVP 0\r\n', headers: { from: [`<sip:${number((i % counts.peers) * 5)}@10.0.0.7>;tag=1`], contact: ['<sip:6001@10.0.0.7>'], 'content-type': ['application/sdp'] } });
const message = (i) => ({ peer: peerName(i), status: 200, source: `10.0.${i % 200}.7`, body: 'v=0\r\nc=IN IP4 10.0.0.7\r\nm=audio 4000 RTP/AVP 0\r\n', headers: { contact: [`<sip:6001@10.0.${i % 200}.7>`], 'history-info': ['<sip:6001@pbx>;index=1'], 'content-type': ['application/sdp'] } });

const facts = (make) => Array.from({ length: 1000 }, (_, i) => make(i));
const judged = (make, judge) => { const list = facts(make); return time((i) => judge(policy, list[i % list.length])); };

console.log(JSON.stringify({
  machine: { cpu: cpus()[0]?.model, node: process.version }, configuration: counts,
  compileMs: Number(compileMs.toFixed(1)), proveMs: Number(proveMs.toFixed(1)), proof,
  target: { route: judged(route, judgeTarget), transfer: judged(referred, judgeTarget), foreign: judged(foreign, judgeTarget) },
  caller: judged(caller, judgeCaller), peerMessage: judged(message, judgeLeak),
}, null, 2));
