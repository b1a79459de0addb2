import type { Config, HoursConfig, PeerConfig } from './types.js';
import { isLoopbackListen } from './checks.js';
import { overlap, readHolidays, readWeek } from './hours.js';
import { checkDomains, isKnownByCertificate } from './domains.js';
import { metaAtOurs, sharedListens } from './sharedListens.js';
import { unknown } from './suggest.js';
import { checkSiprec } from './siprecReferences.js';
import { checkDestinations } from './voiceReferences.js';

type Report = (path: string, message: string) => void;

/** Faults between keys: each key is good by itself, together they are not. */
export function checkReferences(config: Config, report: Report): void {
  checkSip(config, report);
  checkDomains(config, report);
  checkMedia(config, report);
  checkPages(config, report);
  for (const { path, message } of sharedListens(config)) report(path, message);
  const looped = metaAtOurs(config);
  if (looped !== null) report(looped.path, looped.message);
  checkPhone(config, report);
  checkGraph(config, report);
  checkSettings(config, report);
  checkSinks(config, report);
  checkRecording(config, report);
  checkSiprec(config, report);
  const numbers = Object.keys(config.numbers);
  const peers = Object.keys(config.peers);
  checkWebrtc(config, report);
  for (const [name, peer] of Object.entries(config.peers)) checkPeer(`peers.${name}`, peer, numbers, peers, report);
  checkShared(config, report);
  const names = new Map<string, number>();
  config.routes.forEach((route, index) => {
    const at = `routes[${index}]`;
    if (names.has(route.name)) report(`${at}.name`, `routes[${names.get(route.name)}] has this name already`);
    else names.set(route.name, index);
    if (!Object.hasOwn(config.numbers, route.number)) report(`${at}.number`, unknown('number', route.number, numbers));
  });
  checkDestinations(config, report);
}

function checkSip({ sip, node }: Config, report: Report): void {
  if (sip.server === 'drachtio' && sip.drachtio.length === 0) report('sip.drachtio', 'must name a server when sip.server is drachtio');
  if (node.secret !== null && sip.server !== 'embedded') report('node.secret', 'needs sip.server: embedded: which node gets a request, the proxy before drachtio-server decides');
  if (node.secret === null && Object.keys(node.addresses).length > 0) report('node', 'has addresses and no secret: without it nobody is believed');
  if (node.secret !== null && Object.keys(node.addresses).length === 0) report('node', 'has a secret and no addresses: where are the other nodes?');
  if (node.name !== null && Object.keys(node.addresses).length > 0 && !Object.hasOwn(node.addresses, node.name)) report('node.addresses', `has no ${node.name}, which is this node: the others would not find it`);
  if (sip.server !== 'embedded') return;
  for (const file of ['cert', 'key'] as const) {
    if (sip.tls[file] === null && sip.listen.some((socket) => /^(?:tls|wss):/.test(socket))) {
      report(`sip.tls.${file}`, `is required because sip.listen has a ${sip.listen.some((socket) => socket.startsWith('tls:')) ? 'tls' : 'wss'} socket`);
    }
  }
}

function checkSinks({ cdr: { sinks } }: Config, report: Report): void {
  sinks.forEach(({ http, syslog }, i) => {
    if (http === null && syslog === null) report(`cdr.sinks[${i}]`, 'names no place: give it http or syslog');
  });
}

function checkRecording({ recording, routes, peers }: Config, report: Report): void {
  const { upload = null } = recording ?? {};
  if (upload !== null && (upload.url === null) === (upload.presign === null)) report('recording.upload', 'wants one of url and presign');
  if (recording !== null) return;
  const where = [...routes.map(({ record }, i) => [`routes[${i}].record`, record] as const), ...Object.entries(peers).map(([name, { record }]) => [`peers.${name}.record`, record] as const)];
  for (const [at, record] of where) if (record !== null) report(at, 'needs recording.directory');
}

function checkPhone({ http, sip, peers }: Config, report: Report): void {
  if (!http.phone) return;
  if (http.listen === null) report('http.phone', 'needs http.listen, where its page is');
  if (http.phoneServer === null && (sip.server !== 'embedded' || !sip.listen.some((socket) => /^wss?:/.test(socket)))) {
    report('http.phone', 'needs a socket for browsers: add wss:0.0.0.0:7443 to sip.listen, or say http.phoneServer');
  }
  if (!Object.values(peers).some(({ register, webrtc }) => register && webrtc)) report('http.phone', 'is for nobody: no peer has register: true and webrtc: true');
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
  if (api.listen !== null && api.tokens.length === 0) report('api.listen', 'is for nobody without a token: add api.tokens: [{ name: …, token: "${…}", scopes: [read, calls] }]');
  if (api.listen !== null && api.tls === null && !isLoopbackListen(api.listen)) {
    report('api.listen', 'is beyond loopback, where tokens want TLS: add api.tls: { cert: FILE, key: FILE }, or listen on 127.0.0.1 behind a proxy with TLS');
  }
  if (http.listen !== null && !isLoopbackListen(http.listen) && !api.tokens.some(({ scopes }) => scopes.includes('read'))) {
    report('http.listen', 'is beyond loopback, where the pages need a token: add api.tokens: [{ name: …, token: "${…}" }], or listen on 127.0.0.1');
  }
}

function checkGraph({ graph, numbers, webhooks }: Config, report: Report): void {
  if (webhooks !== null && webhooks.voicemail !== null && graph === null) report('webhooks.voicemail', 'needs graph: what users leave is fetched there');
  const ids = new Map<string, string>();
  for (const [number, { id, permission, permissionRequest: { text, template } }] of Object.entries(numbers)) {
    const at = `numbers.${number}`;
    if (id !== null) {
      if (ids.has(id)) report(`${at}.id`, `numbers.${ids.get(id)} has this id already`);
      ids.set(id, number);
    }
    if (text !== null && template !== null) report(`${at}.permissionRequest`, 'has a text and a template: one of the two');
    if (permission === 'off') continue;
    if (graph === null) report(`${at}.permission`, `is ${permission}, and Meta cannot be asked: add graph: { token: "${'${WA_TOKEN}'}" }`);
    if (id === null) report(`${at}.permission`, `is ${permission}, and Meta cannot be asked without numbers.${number}.id`);
  }
}

/** Meta's page "Call settings": two spans a day, twenty holidays. */
function checkSettings(config: Config, report: Report): void {
  for (const [name, hours] of Object.entries(config.hours)) {
    const [day] = Object.entries(readWeek(hours)).find(([, spans]) => overlap(spans)) ?? [];
    if (day !== undefined) report(`hours.${name}.week`, `two spans of ${day} are at once`);
    const dates = hours.holidays.map(({ date }) => date);
    dates.forEach((date, i) => { if (dates.indexOf(date) < i) report(`hours.${name}.holidays[${i}]`, `${date} is there twice`); });
    const shared = readHolidays(hours).find(({ spans }) => overlap(spans));
    if (shared !== undefined) report(`hours.${name}.holidays`, `two spans of ${shared.date} are at once`);
  }
  for (const [number, { id, settings, g711 }] of Object.entries(config.numbers)) {
    if (settings === null) continue;
    const at = `numbers.${number}.settings`;
    if (config.graph === null) report(at, 'are kept true at Meta, which needs graph: { token: "${WA_TOKEN}" }');
    else if (id === null) report(`numbers.${number}.id`, 'is required, as settings are kept true at Meta');
    if (settings.codecs[0] !== 'default' && (settings.codecs.length > 0) !== g711) report(`${at}.codecs`, `contradicts g711: ${g711}: leave codecs out`);
    if (settings.voicemail?.status === 'ENABLED' && settings.voicemail.announcement === null) report(`${at}.voicemail.announcement`, 'is required: wa-b2bua provision announcement gives it');
    if (settings.hours === null) continue;
    const hours = Object.hasOwn(config.hours, settings.hours) ? config.hours[settings.hours] : undefined;
    if (hours === undefined) report(`${at}.hours`, unknown('hours', settings.hours, Object.keys(config.hours)));
    else checkMetaHours(settings.hours, hours, report);
  }
}

function checkMetaHours(name: string, hours: HoursConfig, report: Report): void {
  const week = Object.entries(readWeek(hours));
  const full = week.find(([, spans]) => spans.length > 2);
  if (full !== undefined) report(`hours.${name}.week`, `has more than two spans on ${full[0]}, and Meta takes two`);
  // Meta's clock ends at 23:59, which would be its beginning and its end.
  const last = [...week, ...readHolidays(hours).map(({ date, spans }) => [date, spans] as const)].find(([, spans]) => spans.some(({ from }) => from === 24 * 60 - 1));
  if (last !== undefined) report(`hours.${name}`, `has the last minute of ${last[0]} as a span, which Meta does not have`);
  if (week.every(([, spans]) => spans.length === 0)) report(`hours.${name}.week`, 'is empty, and Meta wants a day at least: use status: DISABLED to be closed');
  const holidays = readHolidays(hours);
  const long = holidays.find(({ spans }) => spans.length > 2);
  if (long !== undefined) report(`hours.${name}.holidays`, `has more than two spans on ${long.date}, and Meta takes two`);
  const entries = holidays.reduce((sum, { spans }) => sum + Math.max(1, spans.length), 0);
  if (entries > 20) report(`hours.${name}.holidays`, `has ${entries} days and spans of days, and Meta takes 20`);
}

function checkMedia({ media }: Config, report: Report): void {
  if (media.engine === 'freeswitch' && media.freeswitch.length === 0) report('media.freeswitch', 'must name a server when media.engine is freeswitch');
  const { spawn, control } = media.rtpengine;
  if (media.engine === 'rtpengine' && !spawn && control.length === 0) report('media.rtpengine.control', 'must name a socket when media.rtpengine.spawn is false');
  if (spawn && control.length > 0) report('media.rtpengine.control', 'is not used when media.rtpengine.spawn is true: set it to false');
}

function checkWebrtc({ media, peers }: Config, report: Report): void {
  for (const [name, { webrtc, register, srtp, websocket }] of Object.entries(peers)) {
    if (!webrtc) continue;
    if (websocket !== null) report(`peers.${name}.webrtc`, 'goes not with websocket: a voice agent has its audio there');
    if (media.engine !== 'embedded') report(`peers.${name}.webrtc`, `needs media.engine: embedded: ICE and DTLS towards peers are not spoken with ${media.engine}`);
    if (!register && srtp !== 'none') report(`peers.${name}.srtp`, 'is not used with webrtc: true, where keys come by DTLS: leave it out');
  }
}

function checkPeer(at: string, peer: PeerConfig, numbers: readonly string[], peers: readonly string[], report: Report): void {
  if ((peer.auth.username === null) !== (peer.auth.password === null)) report(`${at}.auth`, 'username and password go together');
  peer.mayCall.forEach((number, i) => {
    if (!numbers.includes(number)) report(`${at}.mayCall[${i}]`, unknown('number', number, numbers));
  });
  peer.mayTransferTo.forEach((other, i) => {
    if (!peers.includes(other)) report(`${at}.mayTransferTo[${i}]`, unknown('peer', other, peers));
  });
  if (peer.mayCall.length > 0 && peer.sources.length === 0 && peer.digest === null && !peer.register && peer.websocket === null && !isKnownByCertificate(peer)) {
    report(`${at}.mayCall`, 'needs sources, digest, tls.ca or register: nobody could be known as this peer');
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
