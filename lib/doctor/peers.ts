import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import type { Config, PeerConfig } from '../config/types.js';
import { openLegs } from '../media/openLegs.js';
import { forgeablePeers } from '../sip/forgeable.js';
import { parseUri, uriParam, portOf } from '../sip/uri.js';
import { askStream, askUdp } from './ask.js';
import type { Finding, Findings } from './finding.js';
import { fail, ok, reasonOf, warn } from './finding.js';
import { peerTls } from './peerTls.js';
import { hostPort } from '../util/hostPort.js';
import { openSockets } from '../config/sockets.js';
import { placeOfSocket, probeSocket } from '../voice/agents/probe.js';

const timeoutMs = 3000;

/** Whether each peer answers OPTIONS where calls to it are sent (RFC 3261 §11), and whose word or media could be somebody else's. */
export async function examinePeers({ media, sip, peers, routes }: Config): Promise<Findings> {
  const open = openLegs({ media, peers }).map(({ path, message }) => warn('peer', `${path} ${message}`, 'see "Whose packets" in docs/engines/media.md'));
  const forgeable = forgeablePeers({ sip, peers }).map(({ path, message }) => warn('peer', `${path} ${message}`, 'see "Peers known by their address over UDP" in docs/security.md'));
  const plain = openSockets({ peers, routes }).map(({ path, message }) => warn('peer', `${path} ${message}`, 'see docs/guides/agents.md'));
  return [...await Promise.all(Object.entries(peers).map(([name, peer]) => examinePeer(name, peer))), ...open, ...plain, ...forgeable];
}

async function examinePeer(name: string, peer: PeerConfig): Promise<Finding> {
  if (peer.register) return ok('peer', `${name}: ${Object.keys(peer.accounts).length} users may register here`);
  if (peer.pstn !== 'none') return warn('peer', `${name}: pstn is ${peer.pstn}, so no call goes there`, `write peers.${name}.pstn: none if it has no way to the telephone network`);
  if (peer.websocket !== null) return examineSocket(name, peer, peer.websocket);
  const uri = parseUri(peer.uri);
  if (uri === null) return fail('peer', `${name}: ${peer.uri} cannot be read`, `correct peers.${name}.uri`);
  const transport = uriParam(uri.params, 'transport')?.toLowerCase() ?? 'udp';
  const port = portOf(uri);
  if (uri.hostKind === 'name' && await lookup(uri.host).catch(() => null) === null) {
    // It may still have SRV records alone (RFC 3263 §4.1), which a doctor for address and port does not follow.
    return warn('peer', `${name}: ${uri.host} has no address record`, 'right only if it has SRV records; else correct the name, or the name servers of this machine');
  }
  const place = `${name}: ${transport}:${uri.host}:${port}`;
  const message = (local: { address: string; port: number }): string => options(transport, uri.host, port, local);
  if (transport === 'udp') return judge(name, place, await askUdp(uri.host, port, message, timeoutMs), 'no answer');
  const secure = transport === 'tls' ? await peerTls(peer.tls, uri.host).catch((error: unknown) => reasonOf(error)) : null;
  if (typeof secure === 'string') return fail('peer', `${place}: a file of peers.${name}.tls cannot be read: ${secure}`, 'let the user of the service read it');
  const answer = await askStream(secure, uri.host, port, message, timeoutMs);
  return judge(name, place, 'text' in answer ? answer.text : null, 'problem' in answer ? answer.problem : 'no answer');
}

async function examineSocket(name: string, { tls }: PeerConfig, url: string): Promise<Finding> {
  const { secure, host, port } = placeOfSocket(url);
  const place = `${name}: ${secure ? 'wss' : 'ws'}://${hostPort(host, port)}`;
  const probed = await probeSocket(url, tls, timeoutMs);
  if (probed.answered) return ok('peer', `${place} takes connections${secure ? tls.verify ? ', and its certificate is right' : ', and its certificate is not looked at' : ''}`);
  const certificate = /CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(probed.reason);
  return fail('peer', `${place} cannot be reached: ${probed.reason}`, certificate ? `somebody else answers there: look at peers.${name}.websocket and tls.ca` : `start it, let us out to it, or correct peers.${name}.websocket`);
}

function judge(name: string, place: string, answer: string | null, problem: string): Finding {
  const status = /^SIP\/2\.0 ((\d{3})[^\r\n]*)/.exec(answer ?? '');
  if (status === null) {
    return fail('peer', `${place} does not answer OPTIONS: ${answer === null ? problem : 'what comes back is no SIP'}`, `start it, let our address in there, or correct peers.${name}.uri; if it ignores OPTIONS, set health.interval: 0`);
  }
  if (status[2] === '503') return warn('peer', `${place} answers ${status[1]}`, 'it says that it cannot serve: look at its own log');
  if (status[2] === '401' || status[2] === '403' || status[2] === '407') return warn('peer', `${place} answers ${status[1]}`, 'it may not know this address: calls are taken only if its configuration says so');
  return ok('peer', `${place} answers OPTIONS with ${status[1]}`);
}

function options(transport: string, host: string, port: number, { address, port: localPort }: { address: string; port: number }): string {
  const id = randomBytes(8).toString('hex');
  const us = hostPort(address, localPort);
  return [
    `OPTIONS sip:${host}:${port} SIP/2.0`, `Via: SIP/2.0/${transport.toUpperCase()} ${us};branch=z9hG4bK${id};rport`, 'Max-Forwards: 70',
    `From: <sip:doctor@${us}>;tag=${id}`, `To: <sip:${host}:${port}>`, `Call-ID: ${id}`, 'CSeq: 1 OPTIONS',
    `Contact: <sip:doctor@${us}${transport === 'udp' ? '' : `;transport=${transport}`}>`, 'Content-Length: 0', '', '',
  ].join('\r\n');
}
