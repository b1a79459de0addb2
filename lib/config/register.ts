import { transports, type Config, type ConfigFile, type PeerInFile, type Transport } from './types.js';

/** The host by which policy and routes know a peer whose users register: it resolves nowhere (RFC 2606 §2). */
function registeredUri(name: string): string {
  return `sip:${name}.registered.invalid`;
}

/**
 * An address proves who sends the less, the easier it is to write somebody else's: into a datagram anybody can. A peer is believed on the transport
 * by which we reach it, and on those that prove more; a peer over UDP may turn to TCP for a long message by itself (RFC 3261 §18.1.1).
 */
function transportsOf({ uri, transports: given }: PeerInFile): readonly Transport[] {
  const named = given.filter((transport) => transport !== 'default');
  if (named.length > 0) return named;
  const [, parameter] = /;transport=(\w+)/i.exec(uri ?? '') ?? [];
  const own = /^sips:/i.test(uri ?? '') ? 'tls' : parameter?.toLowerCase() ?? 'udp';
  return transports.slice(Math.max(0, transports.findIndex((transport) => transport === own)));
}

/** The same for a voice agent. */
function socketUri(name: string): string {
  return `sip:${name}.websocket.invalid`;
}

/** Peers with the keys filled in that follow from others: where they are, who their on-net users are, how they come. */
export function fillPeers(peers: ConfigFile['peers']): Config['peers'] {
  // Faults in the file may have left a peer out.
  return Object.fromEntries(Object.entries(peers).map(([name, peer]) => [name, {
    ...peer,
    transports: transportsOf(peer),
    uri: peer.uri ?? (peer.register ? registeredUri(name) : peer.websocket === null ? '' : socketUri(name)),
    sampleRate: peer.sampleRate ?? (peer.dialect === 'twilio' ? 8000 : 16_000),
    users: peer.register && peer.users.length === 0 ? Object.keys(peer.accounts) : peer.users,
  }]));
}

/** Faults between the keys of registration and the others of a peer. */
export function checkRegister(peers: ConfigFile['peers'], report: (path: string, message: string) => void): void {
  for (const [name, peer] of Object.entries(peers)) {
    const at = `peers.${name}`;
    if (!peer.register) {
      if (peer.uri === null && peer.websocket === null) report(`${at}.uri`, 'is required');
      if (Object.keys(peer.accounts).length > 0) report(`${at}.accounts`, 'needs register: true');
      continue;
    }
    // It becomes a label of a host name (RFC 1035 §2.3.1, with _).
    if (!/^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(name)) report(at, 'with register: true the name of the peer must be letters, digits, _ and - only');
    if (peer.uri !== null) report(`${at}.uri`, 'must be left out with register: true: its users are called where they registered from');
    if (peer.extensions.length > 0) report(`${at}.extensions`, 'must be left out with register: true: its accounts are its users');
    if (peer.users.length > 0) report(`${at}.users`, 'must be left out with register: true: its accounts are its users');
    if (Object.keys(peer.accounts).length === 0) report(`${at}.accounts`, 'must name a user with register: true');
    if (peer.digest !== null) report(`${at}.digest`, 'is not used with register: true: each account has a password of its own');
    if (peer.auth.username !== null) report(`${at}.auth`, 'is not used with register: true: a phone does not challenge us');
    if (peer.registration.minExpires > peer.registration.maxExpires) report(`${at}.registration.minExpires`, `must not be over maxExpires (${peer.registration.maxExpires})`);
  }
}
