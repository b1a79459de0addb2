import type { Test } from 'tap';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { MetaSide, startPeer } from '../../../lib/simulator/index.js';
import { Command } from '../../helpers/command.js';
import { Haproxy } from '../../helpers/haproxy.js';
import { domain, freePort, mediaPorts, metaHost, number, waitForLines, writeConfig } from '../../helpers/service.js';

export interface Node {
  readonly name: string; readonly file: string; readonly cdr: string; readonly tls: string; readonly http: string;
  /** Where it takes SIP over TCP. */
  readonly tcp: string;
  command: Command;
  records(count: number): ReturnType<typeof waitForLines>;
}

/** Two services of one name behind HAProxy, a PBX behind them, and Meta in front, which opens a connection for each `side`. */
export async function openCluster(t: Test, limits: Record<string, number> = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'wab-cluster-'));
  const peer = await startPeer({ codecs: ['PCMU'] });
  const metaPort = await freePort();
  const places = { a: `tcp:127.0.0.1:${await freePort()}`, b: `tcp:127.0.0.1:${await freePort()}` };
  const apis = { a: await freePort(), b: await freePort() };
  const { text, certificates } = await writeConfig(dir, { metaPort, media: 'embedded', peers: { pbx: { port: peer.port, mayCall: [number] } } });
  const nodes: Record<'a' | 'b', Node> = { a: await begin('a'), b: await begin('b') };
  async function begin(name: 'a' | 'b'): Promise<Node> {
    const [tlsPort, httpPort] = [await freePort(), await freePort()];
    const file = join(dir, `${name}.yaml`);
    const cdr = join(dir, `${name}.jsonl`);
    const config = parse(text) as Record<string, object>;
    await writeFile(file, stringify({
      ...config,
      sip: { ...config['sip'], listen: [`tls:127.0.0.1:${tlsPort}`, 'udp:127.0.0.1:0', places[name]] }, cdr: { file: cdr }, http: { listen: `127.0.0.1:${httpPort}` },
      media: { ...config['media'], ports: await mediaPorts() }, limits,
      node: { name, secret: 'the-nodes-only-0123456789', addresses: places },
      api: { listen: `127.0.0.1:${apis[name]}`, tokens: [{ name: 'ops', token: 'admin-0123456789abcdef', scopes: ['read', 'admin'] }] },
    }));
    return { name, file, cdr, tls: `127.0.0.1:${tlsPort}`, http: `127.0.0.1:${httpPort}`, tcp: places[name].slice(4), command: new Command('run', '-c', file), records: (count) => waitForLines(cdr, count) };
  }
  const port = await freePort();
  const [front, sides]: [Haproxy[], MetaSide[]] = [[], []];
  t.teardown(async () => {
    for (const side of sides) await side.close();
    for (const one of front) await one.kill();
    for (const { command } of Object.values(nodes)) await command.stop();
    await peer.close();
    await rm(dir, { recursive: true, force: true });
  });
  for (const { command } of Object.values(nodes)) await command.line(/"ready":true/);
  const haproxy = await Haproxy.start(dir, port, [nodes.a, nodes.b]);
  front.push(haproxy);
  let listening = false;
  return {
    nodes, haproxy, peer,
    /** Meta by a connection of its own, through the balancer, or straight to a node. */
    side: async (to = `127.0.0.1:${port}`): Promise<MetaSide> => {
      const first = !listening;
      listening = true;
      const side = await MetaSide.open({ to, serverName: domain, ca: certificates.ca, ...(first ? { listen: `127.0.0.1:${metaPort}`, cert: certificates.metaCert, key: certificates.metaKey } : {}) });
      sides.push(side);
      return side;
    },
    metaHost,
  };
}
