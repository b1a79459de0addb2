import type { Config, PeerConfig } from './types.js';
import { isLoopbackListen } from './checks.js';
import { suggest } from './suggest.js';

type Report = (path: string, message: string) => void;

function unknown(what: string, name: string, known: readonly string[]): string {
  const meant = suggest(name, known);
  return meant === null ? `no such ${what}: ${name}` : `no such ${what}: ${name}; did you mean ${meant}?`;
}

/** Faults between keys: each key is good by itself, together they are not. */
export function checkReferences(config: Config, report: Report): void {
  checkSip(config, report);
  checkMedia(config, report);
  checkPages(config, report);
  const numbers = Object.keys(config.numbers);
  const peers = Object.keys(config.peers);
  for (const [name, peer] of Object.entries(config.peers)) checkPeer(`peers.${name}`, peer, numbers, peers, report);
  checkShared(config, report);
  const names = new Map<string, number>();
  config.routes.forEach((route, index) => {
    const at = `routes[${index}]`;
    if (names.has(route.name)) report(`${at}.name`, `routes[${names.get(route.name)}] has this name already`);
    else names.set(route.name, index);
    if (!Object.hasOwn(config.numbers, route.number)) report(`${at}.number`, unknown('number', route.number, numbers));
    route.to.forEach((target, i) => {
      if (!Object.hasOwn(config.peers, target.peer)) report(`${at}.to[${i}].peer`, unknown('peer', target.peer, peers));
    });
  });
}

function checkSip({ sip }: Config, report: Report): void {
  if (sip.server === 'drachtio' && sip.drachtio.length === 0) report('sip.drachtio', 'must name a server when sip.server is drachtio');
  if (sip.server !== 'embedded') return;
  for (const file of ['cert', 'key'] as const) {
    if (sip.tls[file] === null && sip.listen.some((socket) => socket.startsWith('tls:'))) {
      report(`sip.tls.${file}`, 'is required because sip.listen has a tls socket');
    }
  }
}

function checkPages({ http, api }: Config, report: Report): void {
  const names = new Map<string, number>();
  const tokens = new Map<string, number>();
  api.tokens.forEach(({ name, token }, index) => {
    if (names.has(name)) report(`api.tokens[${index}].name`, `api.tokens[${names.get(name)}] has this name already`);
    else if (tokens.has(token)) report(`api.tokens[${index}].token`, `api.tokens[${tokens.get(token)}] has this token already`);
    names.set(name, index);
    tokens.set(token, index);
  });
  if (http.listen !== null && !isLoopbackListen(http.listen) && !api.tokens.some(({ scopes }) => scopes.includes('read'))) {
    report('http.listen', 'is beyond loopback, where the pages need a token: add api.tokens: [{ name: …, token: "${…}" }], or listen on 127.0.0.1');
  }
}

function checkMedia({ media }: Config, report: Report): void {
  if (media.engine === 'freeswitch' && media.freeswitch.length === 0) report('media.freeswitch', 'must name a server when media.engine is freeswitch');
  const { spawn, control } = media.rtpengine;
  if (media.engine === 'rtpengine' && !spawn && control.length === 0) report('media.rtpengine.control', 'must name a socket when media.rtpengine.spawn is false');
  if (spawn && control.length > 0) report('media.rtpengine.control', 'is not used when media.rtpengine.spawn is true: set it to false');
}

function checkPeer(at: string, peer: PeerConfig, numbers: readonly string[], peers: readonly string[], report: Report): void {
  if ((peer.auth.username === null) !== (peer.auth.password === null)) report(`${at}.auth`, 'username and password go together');
  peer.mayCall.forEach((number, i) => {
    if (!numbers.includes(number)) report(`${at}.mayCall[${i}]`, unknown('number', number, numbers));
  });
  peer.mayTransferTo.forEach((other, i) => {
    if (!peers.includes(other)) report(`${at}.mayTransferTo[${i}]`, unknown('peer', other, peers));
  });
  if (peer.mayCall.length > 0 && peer.sources.length === 0 && peer.digest === null && !peer.register) {
    report(`${at}.mayCall`, 'needs sources, digest or register: nobody could be known as this peer');
  }
}

/** Two peers that could not be told apart when they call in. */
function checkShared(config: Config, report: Report): void {
  const bySource = new Map<string, string>();
  const byUser = new Map<string, string>();
  for (const [name, peer] of Object.entries(config.peers)) {
    if (peer.register) {
      for (const user of Object.keys(peer.accounts)) {
        const other = byUser.get(user);
        if (other !== undefined) report(`peers.${name}.accounts.${user}`, `peer ${other} has this user name already`);
        byUser.set(user, name);
      }
      continue;
    }
    if (peer.digest !== null) {
      const other = byUser.get(peer.digest.username);
      if (other !== undefined) report(`peers.${name}.digest.username`, `peer ${other} has this user name already`);
      byUser.set(peer.digest.username, name);
      continue;
    }
    peer.sources.forEach((source, i) => {
      const other = bySource.get(source);
      if (other !== undefined) report(`peers.${name}.sources[${i}]`, `peer ${other} calls from this network already; one of them needs digest`);
      bySource.set(source, name);
    });
  }
}
