import { parse, stringify } from 'yaml';
import { readFileSync } from 'node:fs';
import { ConfigFaults } from '../../../lib/config/faults.js';
import type { ConfigFault } from '../../../lib/config/faults.js';
import { parseConfig } from '../../../lib/config/load.js';
import type { Config } from '../../../lib/config/types.js';

export type Tree = { [key: string]: unknown };

export const env = {
  REDIS_PASSWORD: 'r', NODE_NAME: 'a', NODE_ADDRESS: '10.0.0.4', NODE_PUBLIC: '203.0.113.4', OPS_TOKEN: 'ops-0123456789abcdef',
  WA_PASSWORD: 'wa-secret', PBX_PASSWORD: 'pbx-secret', DRACHTIO_SECRET: 'd-secret', METRICS_TOKEN: 'metrics-token-0123456789', NODE_SECRET: 'node-secret-0123456789', EVENT_SECRET: 'event-secret', ESL_SECRET: 'esl-secret', PRIVATE_IP: '10.0.0.6', PUBLIC_IP: '203.0.113.6',
  WA_TOKEN: 'EAAtoken', WA_APP_SECRET: 'app-secret', WA_VERIFY: 'verify', HEP_PASSWORD: 'h', PHONE_6001: 'p1', PHONE_6002: 'p2', AGENT_TOKEN: 'agent', ASTERISK_PASSWORD: 'a', FREESWITCH_IN: 'b', FREESWITCH_OUT: 'c',
};

/** Made once: default.yaml is long, and tests take thousands of copies. */
let made: string | null = null;

/** A good file in which every key of the schema has a value. */
export function fullDocument(): Tree {
  made ??= JSON.stringify(makeDocument());
  return JSON.parse(made) as Tree;
}

function makeDocument(): Tree {
  const tree = parse(readFileSync('config/default.yaml', 'utf8')) as Tree;
  setAt(tree, 'sip.drachtio', [{ host: '127.0.0.1', port: 9022, secret: '${DRACHTIO_SECRET}' }]);
  setAt(tree, 'sip.scanners', ['friendly-scanner']);
  setAt(tree, 'sip.origins', ['https://crm.example.net']);
  setAt(tree, 'sip.advertise', { meta: 'sbc.example.net', peers: '203.0.113.4' });
  setAt(tree, 'media.freeswitch', [{ host: '10.0.0.6', port: 8021, secret: '${ESL_SECRET}' }]);
  setAt(tree, 'media.engine', 'rtpengine');
  setAt(tree, 'media.interface', { meta: '10.0.0.4!203.0.113.4', peers: '10.0.0.4' });
  setAt(tree, 'media.rtpengine.interface', { meta: '10.0.0.4!203.0.113.4', peers: '10.0.0.4' });
  setAt(tree, 'media.rtpengine.spawn', false);
  setAt(tree, 'media.rtpengine.control', ['10.0.0.5:22222']);
  setAt(tree, 'meta.sources', ['192.0.2.0/24']);
  setAt(tree, 'meta.proxy', { uri: 'sip:10.0.0.5:5061;transport=tls', ca: 'ca.pem', clientCert: 'c.pem', clientKey: 'k.pem' });
  setAt(tree, 'peers.pbx.digest', { username: 'pbx', password: '${PBX_PASSWORD}' });
  setAt(tree, 'peers.pbx.auth', { username: 'us', password: '${PBX_PASSWORD}' });
  setAt(tree, 'peers.pbx.mayTransferTo', ['pbx']);
  setAt(tree, 'peers.pbx.transports', ['udp', 'tcp']);
  setAt(tree, 'peers.pbx.media', ['10.0.0.0/24']);
  setAt(tree, 'peers.phones', { register: true, pstn: 'none', accounts: { 6001: { password: '${PHONE_6001}', maxConcurrentCalls: 2, srtp: 'sdes', callsPerDay: 50 } }, registration: { minExpires: 60, maxExpires: 3600, maxContacts: 5, push: ['apns'], pushWait: 10, keepAlive: 25 } });
  setAt(tree, 'peers.bot', { websocket: 'wss://agent.example.net/call', dialect: 'raw', sampleRate: 16_000, headers: { 'X-Key': 'k' }, tls: { verify: true, ca: 'ca.pem', clientCert: 'c.pem', clientKey: 'k.pem' }, pstn: 'none', users: ['agent'] });
  setAt(tree, 'routes[0].tee', { websocket: 'wss://listen.example.net/call', dialect: 'raw', sampleRate: 16_000, headers: { 'X-Key': 'k' }, tls: { verify: true, ca: 'ca.pem', clientCert: 'c.pem', clientKey: 'k.pem' } });
  setAt(tree, 'graph', { url: 'https://graph.facebook.com', version: 'v25.0', token: '${WA_TOKEN}', timeout: 2, whenDown: 'allow', waba: '100000000000002', appId: '100000000000009', verifyEvery: 3600 });
  setAt(tree, 'webhooks', { listen: '127.0.0.1:8443', path: '/meta', appSecret: ['${WA_APP_SECRET}'], verifyToken: '${WA_VERIFY}', tls: { cert: 'c.pem', key: 'k.pem' }, forward: ['https://crm.example.net/meta'], voicemail: '/var/spool/wa-b2bua' });
  setAt(tree, 'traces', { otlp: 'http://127.0.0.1:4318/v1/traces', authorization: 'Bearer ${HEP_PASSWORD}', service: 'wa-b2bua' });
  setAt(tree, 'hep', { server: 'udp:10.0.0.9:9060', id: 2001, password: '${HEP_PASSWORD}', ca: 'hep.pem' });
  setAt(tree, 'recording', { directory: 'recordings', format: 'ogg', keepDays: 90, keepFree: 200, upload: { url: 'https://store.example.net/{name}', presign: null, authorization: 'Bearer ${HEP_PASSWORD}', keepLocal: true } });
  setAt(tree, 'peers.pbx.record', { announce: 'recorded.wav', on: 'order', pauseKey: '*' });
  setAt(tree, 'routes[0].record', { announce: 'recorded.wav', on: 'answer', pauseKey: '*' });
  setAt(tree, 'siprec', { archive: { to: [{ peer: 'pbx', user: '6001' }], answerWithin: 10 } });
  setAt(tree, 'peers.phones.siprec', { recorder: 'archive', announce: 'recorded.wav', on: 'order', pauseKey: '*' });
  // Where there is a record too, its pauseKey is bound to be the same.
  (tree['routes'] as unknown[]).push({ name: 'recorded', number: '+447700900001', to: [{ peer: 'pbx', user: '6001' }], siprec: { recorder: 'archive', announce: 'recorded.wav', on: 'answer', pauseKey: '*' } });
  setAt(tree, 'cdr', { ...(tree['cdr'] as Tree), index: 'index', rates: 'rates.yaml', sinks: [{ http: 'https://crm.example.net/cdr', authorization: 'Bearer ${HEP_PASSWORD}', syslog: 'udp:10.0.0.9:514' }] });
  setAt(tree, 'numbers.+447700900001.id', '100000000000001');
  setAt(tree, 'numbers.+447700900001.settings', { status: 'ENABLED', callback: true, hours: 'office', codecs: ['PCMA'], icon: 'DEFAULT', countries: ['GB'], userParams: { tgrp: 'wacall' }, voicemail: { status: 'ENABLED', announcement: '900000000000001', triggers: ['REJECT'], timeout: 20 } });
  setAt(tree, 'numbers.+447700900001.g711', true);
  setAt(tree, 'hours', { office: { timezone: 'Europe/London', week: { fri: ['09:00-12:00'] }, holidays: [{ date: '2030-12-25', spans: ['09:00-12:00'] }] } });
  const ringing = (): Tree => ({ to: [{ peer: 'pbx', user: '6001' }], strategy: 'failover', ringTimeout: 45, menu: null, queue: null, voicemail: null, play: null, status: null });
  setAt(tree, 'routes[0].hours', 'office');
  setAt(tree, 'routes[0].closed', ringing());
  setAt(tree, 'routes[0].unanswered', ringing());
  setAt(tree, 'menus', { main: { prompt: 'menu.wav', timeout: 5, tries: 3, wrong: 'wrong.wav', repeat: '*', keys: { 1: ringing() }, otherwise: ringing() } });
  setAt(tree, 'queues', { support: {
    to: [{ peer: 'pbx', user: '6001' }], strategy: 'order', ringTimeout: 20, rest: 15, music: 'wait.wav', announce: { every: 30, places: ['first.wav'], file: 'soon.wav' }, keys: { 1: ringing() },
    callBack: { key: '5', confirm: null, refused: null, tries: 3, pause: 300, keepFor: 86_400 }, maxWait: 600, otherwise: ringing(), maxLength: 100, full: ringing(),
  } });
  setAt(tree, 'voicemail', { sales: { greeting: 'sales.wav', directory: 'messages', maxSeconds: 120, silence: 6 } });
  setAt(tree, 'routes[0].lookup', { url: 'https://crm.example.net/route', authorization: 'Bearer ${HEP_PASSWORD}', timeout: 2, cache: 60 });
  tree['domains'] = { 'sbc.example.org': { tls: { cert: 'c.pem', key: 'k.pem' } } };
  setAt(tree, 'numbers.+447700900001.domain', 'sbc.example.org');
  setAt(tree, 'http.hosts', ['sbc.example.net']);
  setAt(tree, 'http.phoneServer', 'wss://sbc.example.net:7443');
  setAt(tree, 'events.webhooks', [{ url: 'https://crm.example.net/wa', secret: '${EVENT_SECRET}', types: ['*'], users: true }]);
  setAt(tree, 'api.listen', '127.0.0.1:8081');
  setAt(tree, 'api.sounds', 'sounds');
  setAt(tree, 'api.tls', { cert: 'c.pem', key: 'k.pem' });
  setAt(tree, 'node', { name: 'a', secret: '${NODE_SECRET}', addresses: { a: 'tcp:10.0.0.4:5060' } });
  setAt(tree, 'api.tokens', [{ name: 'prometheus', token: '${METRICS_TOKEN}', scopes: ['read'] }]);
  setAt(tree, 'policy.carriers', ['carrier.example', '198.51.100.0/24']);
  setAt(tree, 'policy.leaks', { forwarded181: 'enforce' });
  return tree;
}

/** 'a.b[0].c' as steps; the only key with dots is a host name. */
export function steps(path: string): (string | number)[] {
  return path.replace('sbc.example.org', 'HOST').split('.').map((part) => part.replace('HOST', 'sbc.example.org')).flatMap((part) => {
    const [key, ...indexes] = part.split('[');
    return [key!, ...indexes.map((index) => Number(index.replace(']', '')))];
  });
}

function parentOf(tree: Tree, path: string): { parent: Tree; last: string } {
  const all = steps(path);
  let parent: Tree = tree;
  for (const step of all.slice(0, -1)) parent = parent[step] as Tree;
  return { parent, last: String(all.at(-1)) };
}

export function setAt(tree: Tree, path: string, value: unknown): void {
  const { parent, last } = parentOf(tree, path);
  parent[last] = value;
}

export function removeAt(tree: Tree, path: string): void {
  const { parent, last } = parentOf(tree, path);
  delete parent[last];
}

export function parseTree(tree: Tree): Config {
  return parseConfig(stringify(tree), { env, path: 'test.yaml' });
}

/** The faults of a text; an empty list when it is good. */
export function faultsOf(text: string): readonly ConfigFault[] {
  try {
    parseConfig(text, { env, path: 'test.yaml' });
    return [];
  } catch (error) {
    if (error instanceof ConfigFaults) return error.faults;
    throw error;
  }
}
