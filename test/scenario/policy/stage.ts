import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import { RawPeer } from '../../helpers/rawPeer.js';
import { number, type Overlay } from '../../helpers/service.js';
import { openStage, type Stage } from '../harness.js';

export interface AuditLine {
  readonly kind: string;
  readonly allow: boolean;
  readonly code: string;
  readonly rule: string;
  readonly enforced?: boolean;
  readonly facts: { readonly origin?: string; readonly uri?: string; readonly by?: string };
}

/** A PBX that a route leads to, desks that it may send calls to, a neighbour that it may not, a gateway and a carrier; all of them listen. */
export interface PolicyStage {
  readonly stage: Stage;
  readonly pbx: RawPeer;
  readonly desk: RawPeer;
  readonly next: RawPeer;
  readonly gateway: RawPeer;
  readonly carrier: RawPeer;
  /** Nobody's. */
  readonly stranger: RawPeer;
  /** Where nothing may arrive. */
  readonly forbidden: readonly RawPeer[];
  audit(): Promise<AuditLine[]>;
}

export async function openPolicyStage(t: Test, overlay: Overlay = {}): Promise<PolicyStage> {
  const peers = { pbx: await RawPeer.open(), desk: await RawPeer.open(), next: await RawPeer.open(), gateway: await RawPeer.open('127.0.0.4'), carrier: await RawPeer.open('127.0.0.3'), stranger: await RawPeer.open() };
  t.teardown(() => Object.values(peers).forEach((peer) => peer.close()));
  const auditFile = join(t.testdir(), 'audit.jsonl');
  const stage = await openStage({
    external: {
      pbx: { port: peers.pbx.port, mayTransferTo: ['desk'], mayCall: [number], users: ['6[0-9]{3}', 'support'] }, desk: { port: peers.desk.port, users: ['7[0-9]{3}'] }, next: { port: peers.next.port },
      gateway: { port: peers.gateway.port, pstn: 'a carrier trunk', uri: `sip:${peers.gateway.address}` },
    },
    overlay: {
      routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }], ringTimeout: 5 }],
      ...overlay,
      policy: { audit: auditFile, carriers: ['127.0.0.3', 'carrier.example'], ...overlay['policy'] as Overlay },
    },
  });
  t.teardown(() => stage.close());
  return {
    stage, ...peers, forbidden: [peers.next, peers.gateway, peers.carrier, peers.stranger],
    audit: async () => (await readFile(auditFile, 'utf8')).split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as AuditLine),
  };
}
