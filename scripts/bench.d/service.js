// The service under measurement, in a process of its own: node service.js CONFIG [--no-media]
// Prints one line of JSON when ready and answers each line on standard input with one line of figures.
import { EventEmitter } from 'node:events';
import { createInterface } from 'node:readline';
import { loadConfig } from '../../dist/lib/config/load.js';
import { startService } from '../../dist/lib/app/compose.js';
import { letHeapGrow } from '../../dist/lib/cli/heap.js';
import { createLogger } from '../../dist/lib/observe/logger.js';

const [path, mode] = process.argv.slice(2);

/** Stands where a media engine stands and touches no packet: what is left is signalling, policy and routing. */
class NoMedia extends EventEmitter {
  name = 'rtpengine';
  healthy = true;
  async start() {}
  status() { return { instances: [], workers: [] }; }
  async close() {}
  openCall() {
    const call = new EventEmitter();
    const leg = { keying: null, codec: null, packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0, lost: 0, jitterMs: null, roundTripMs: null, mos: null };
    const sdp = (profile) => ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', ...profile, 'a=ptime:20', 'a=sendrecv', ''].join('\r\n');
    const peerSdp = sdp(['m=audio 9 RTP/AVP 0 101', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:101 telephone-event/8000']);
    const key = 'MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5';
    const metaSdp = sdp(['m=audio 9 RTP/SAVP 111 126', `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${key}`, 'a=rtpmap:111 opus/48000/2', 'a=rtpmap:126 telephone-event/8000']);
    return Object.assign(call, {
      answerMeta: async () => metaSdp,
      addPeerLeg: () => ({ events: null, flow: null, offer: async () => peerSdp, takeAnswer: async () => {}, answer: async () => peerSdp, close: async () => {} }),
      connect() {}, start() {}, sendDtmf() {}, async play() {},
      async stats() { return { meta: leg, peer: leg }; },
      async close() { return { meta: leg, peer: leg }; },
    });
  }
}

letHeapGrow();
const config = loadConfig(path);
const service = await startService(config, createLogger(config.log.level, process.stderr), mode === '--no-media' ? { media: new NoMedia() } : {});
console.log(JSON.stringify({ listening: service.listening, http: service.http, api: service.api }));
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'stop') break;
  if (line === 'gc') globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  console.log(JSON.stringify({ rss, heapUsed, calls: service.table.size }));
}
await service.close();
process.exit(0);
