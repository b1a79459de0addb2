import { isIP } from 'node:net';
import { isPublic } from '../util/address.js';
import { splitHostPort, unbracketed } from '../util/hostPort.js';
import { isLoopbackListen } from './checks.js';
import type { Config, ConfigFile } from './types.js';

type Report = (path: string, message: string) => void;
type PeerInFile = ConfigFile['peers'][string];

/** Faults between the keys of a peer behind a WebSocket and the others of a peer. */
export function checkSockets(peers: ConfigFile['peers'], report: Report): void {
  for (const [name, peer] of Object.entries(peers)) {
    const { clientCert, clientKey } = peer.tls;
    if ((clientCert === null) !== (clientKey === null)) report(`peers.${name}.tls`, 'clientCert and clientKey go together');
    if (peer.websocket === null) checkUnused(`peers.${name}`, peer, report);
    else checkSocket(name, peer, report);
  }
}

/** Of who only listens. */
export function checkTees(routes: ConfigFile['routes'], report: Report): void {
  routes.forEach(({ tee }, index) => {
    if (tee === null) return;
    const at = `routes[${index}].tee`;
    checkPlain(at, tee.websocket, report);
    if ((tee.tls.clientCert === null) !== (tee.tls.clientKey === null)) report(`${at}.tls`, 'clientCert and clientKey go together');
    if (tee.dialect === 'twilio' && tee.sampleRate !== null && tee.sampleRate !== 8000) report(`${at}.sampleRate`, 'must be 8000 with dialect: twilio, which has no other');
  });
}

/** What a SIP peer has no use for. */
function checkUnused(at: string, { uri, transports, headers, sampleRate, register, tls: { verify, ca, clientCert, clientKey } }: PeerInFile, report: Report): void {
  const used = [...(Object.keys(headers).length > 0 ? ['headers'] : []), ...(sampleRate === null ? [] : ['sampleRate'])];
  for (const key of used) report(`${at}.${key}`, 'needs websocket: nothing else uses it');
  const none = verify && ca === null && clientCert === null && clientKey === null;
  if (register && !none) report(`${at}.tls`, 'is not used with register: true: phones open the connections and are known by their passwords');
  else if (uri !== null && !none && isPlain(uri)) checkPlainTls(at, { tls: { verify, ca, clientCert, clientKey }, transports }, report);
}

/** Of a peer that is called by UDP or TCP. It may call by TLS all the same, and be known by its certificate, where `transports` says so. */
function checkPlainTls(at: string, { tls: { ca, clientCert, verify }, transports }: Pick<PeerInFile, 'tls' | 'transports'>, report: Report): void {
  const isKnownByIt = ca !== null && transports.includes('tls');
  if (!isKnownByIt || clientCert !== null || !verify) report(`${at}.tls`, 'is not used: uri is not called by TLS; write ;transport=tls behind it');
}

/** Whether this URI surely leads to UDP or TCP: a name alone may have records of TLS (RFC 3263 §4.1). */
function isPlain(uri: string): boolean {
  const transport = /;transport=([a-z]+)/i.exec(uri)?.[1]?.toLowerCase();
  if (transport !== undefined) return transport !== 'tls';
  const place = splitHostPort(uri.replace(/^sip:/, '').replace(/;.*$/, ''));
  return place !== null && (place.port !== null || isIP(place.host) !== 0);
}

function checkSocket(name: string, peer: PeerInFile, report: Report): void {
  const at = `peers.${name}`;
  // It becomes a label of a host name (RFC 1035 §2.3.1, with _).
  if (!/^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(name)) report(at, 'with websocket the name of the peer must be letters, digits, _ and - only');
  if (peer.websocket !== null) checkPlain(at, peer.websocket, report);
  if (peer.register) report(`${at}.register`, 'must be left out with websocket');
  if (peer.uri !== null) report(`${at}.uri`, 'must be left out with websocket');
  if (peer.sources.length > 0) report(`${at}.sources`, 'is not used with websocket: we open the socket, and nobody calls from there');
  if (peer.digest !== null) report(`${at}.digest`, 'is not used with websocket: nobody calls from there');
  if (peer.srtp !== 'none') report(`${at}.srtp`, 'is not used with websocket: wss:// is what hides its audio');
  if (peer.dialect === 'twilio' && peer.sampleRate !== null && peer.sampleRate !== 8000) report(`${at}.sampleRate`, 'must be 8000 with dialect: twilio, which has no other');
  if (Object.keys(peer.headers).some((header) => header.toLowerCase() === 'authorization') && peer.auth.username !== null) report(`${at}.headers`, 'has Authorization, and so has auth: one of the two');
}

/** A socket without TLS is for loopback and private networks; where a host name leads nobody knows here, and it is warned of. */
function checkPlain(at: string, websocket: string, report: Report): void {
  const { protocol, hostname } = new URL(websocket);
  if (protocol === 'ws:' && isPublic(unbracketed(hostname))) report(`${at}.websocket`, 'has no TLS, and its address is in no private network: write wss://');
}

/** Voice agents whose audio, and whose password, cross a network that others may read, or that nobody is asked to prove to be; and SIP peers of which that is so over TLS. */
export function openSockets({ peers, routes }: Pick<Config, 'peers' | 'routes'>): { readonly path: string; readonly message: string }[] {
  const sockets = [
    ...Object.entries(peers).map(([name, { websocket, tls }]) => ({ at: `peers.${name}`, websocket, tls })),
    ...routes.flatMap(({ tee }, index) => (tee === null ? [] : [{ at: `routes[${index}].tee`, ...tee }])),
  ];
  return sockets.flatMap(({ at, websocket, tls }) => {
    if (websocket === null) return tls.verify ? [] : [{ path: `${at}.tls.verify`, message: 'is false: whoever is on the way to this peer can be it, and hear and speak to users' }];
    const { protocol, hostname } = new URL(websocket);
    if (protocol === 'ws:') {
      return isLoopbackListen(`${hostname}:80`) ? [] : [{ path: `${at}.websocket`, message: 'is beyond loopback and has no TLS: what users say, and the credentials, cross the network in the clear: write wss://' }];
    }
    return tls.verify ? [] : [{ path: `${at}.tls.verify`, message: 'is false: whoever is on the way to this agent can hear users and speak to them' }];
  });
}
