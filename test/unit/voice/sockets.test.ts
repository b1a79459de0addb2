// The sockets of voice agents, met by agents that are well, refuse, are slow, or are hostile; what the call's media would give and take is given and taken here.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { EndWord } from '../../../lib/media/relay/agent/words.js';
import { createLogger } from '../../../lib/observe/logger.js';
import { startAgent, type AgentOptions, type AgentConversation, type SimulatedAgent } from '../../../lib/simulator/index.js';
import { AgentThread, type AgentLink } from '../../../lib/voice/agents/thread.js';
import { probeSocket } from '../../../lib/voice/agents/probe.js';
import { examinePeers } from '../../../lib/doctor/peers.js';
import type { Config } from '../../../lib/config/types.js';
import type { AgentPlace } from '../../../lib/voice/agents/messages.js';
import { makeCertificates } from '../../helpers/certificates.js';

const dir = await mkdtemp(join(tmpdir(), 'wab-agents-'));
const log: string[] = [];
const agents = new AgentThread(createLogger('info', { write: (line: string) => { log.push(line); } }));
t.teardown(async () => {
  await agents.close();
  await rm(dir, { recursive: true, force: true });
});
const certificates = await makeCertificates(dir, { domain: 'localhost', metaHost: 'wa.meta.vc' });

type Options = Partial<AgentPlace> & { patience?: number };

/** A call to an agent; `words` are what the call's media gets of it. */
function dial(url: string, { patience = 2000, ...place }: Options = {}): { link: AgentLink; words: EndWord[]; pcm: () => number } {
  const link = agents.dial({
    peer: 'bot', patience, call: { id: '0b8f5f6e-3f57-4f0a-9d0c-1f2e3d4c5b6a', number: '+447700900001', user: '+447700900101', wacid: null, payload: null, direction: 'user-initiated' },
    place: { url, dialect: 'raw', sampleRate: 16_000, headers: {}, tls: { verify: true, ca: null, clientCert: null, clientKey: null }, ...place },
  });
  const words: EndWord[] = [];
  link.end.link.on('message', (word: EndWord) => words.push(word));
  return { link, words, pcm: () => words.reduce((sum, word) => sum + (word instanceof Int16Array ? word.length : 0), 0) };
}

async function outcomeOf(link: AgentLink): Promise<string> {
  return Promise.race([
    once(link, 'open').then(() => 'open'), once(link, 'refused').then(([{ kind, status, text }]) => `${kind} ${status} ${text}`), once(link, 'hungUp').then(() => 'hungUp'), once(link, 'gone').then(([text]) => `gone ${text}`),
  ]);
}

async function agentFor(t: Test, options: Partial<AgentOptions> = {}): Promise<SimulatedAgent> {
  const agent = await startAgent({ dialect: 'raw', ...options });
  t.teardown(() => agent.close());
  return agent;
}

/** A conversation that has begun. */
async function talk(t: Test, options: Partial<AgentOptions> = {}, place: Options = {}): Promise<ReturnType<typeof dial> & { agent: SimulatedAgent; there: AgentConversation }> {
  const agent = await agentFor(t, options);
  const coming = agent.next();
  const here = dial(agent.url, { dialect: options.dialect ?? 'raw', ...place });
  await once(here.link, 'open');
  const there = await coming;
  const started = once(there, 'start');
  here.link.begin();
  await started;
  return { ...here, agent, there };
}

/** A TCP server that does this with each connection. */
async function tcp(t: Test, meet: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    meet(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `ws://127.0.0.1:${(server.address() as { port: number }).port}/call`;
}

const until = async (what: () => boolean): Promise<void> => { while (!what()) await new Promise((resolve) => setTimeout(resolve, 5)); };

t.test('a socket that is not opened says why, soon, whatever the far end does', async (t) => {
  for (const [status, words] of [[401, 'Unauthorized'], [503, 'Service Unavailable'], [302, 'Found']] as const) {
    const agent = await agentFor(t, { behaviour: `refuse=${status}` });
    t.equal(await outcomeOf(dial(agent.url).link), `http ${status} HTTP ${status} ${words}`);
    t.equal(agent.requests, 1, 'and is not asked again, or elsewhere');
  }
  const vanished = await agentFor(t, { behaviour: 'vanish' });
  t.equal(await outcomeOf(dial(vanished.url, { patience: 300 }).link), 'late 0 the socket was not open within 0.3 s');
  const loris = await tcp(t, (socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\n');
    const drip = setInterval(() => socket.write('X'), 50);
    socket.once('close', () => clearInterval(drip));
  });
  t.equal(await outcomeOf(dial(loris, { patience: 400 }).link), 'late 0 the socket was not open within 0.4 s', 'an octet now and then does not make it longer');
  t.match(await outcomeOf(dial(await tcp(t, (socket) => { socket.destroy(); })).link), /^failed 0 /);
  t.match(await outcomeOf(dial(await tcp(t, (socket) => { socket.once('data', () => socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n')); })).link), /^failed 0 .*Accept/);
  t.match(await outcomeOf(dial(await tcp(t, (socket) => { socket.write(Buffer.alloc(100_000, 0xff)); })).link), /^failed 0 /);
  t.match(await outcomeOf(dial('ws://127.0.0.1:1/').link), /^failed 0 .*ECONNREFUSED/);
  const raw = await agentFor(t);
  t.match(await outcomeOf(dial(raw.url, { dialect: 'jambonz' }).link), /^failed 0 .*subprotocol/, 'jambonz names a subprotocol, and wants it chosen');
});

t.test('wss: the certificate is judged, and ours shown where one is configured', async (t) => {
  const agent = await agentFor(t, { cert: certificates.cert, key: certificates.key });
  const tls = { verify: true, ca: null, clientCert: null, clientKey: null };
  t.match(await outcomeOf(dial(agent.url).link), /^failed 0 .*(SELF_SIGNED|UNABLE_TO)/);
  t.equal(await outcomeOf(dial(agent.url, { tls: { ...tls, ca: certificates.ca } }).link), 'open');
  const other = await agentFor(t, { cert: certificates.cert, key: certificates.key, listen: '127.0.0.2:0' });
  t.match(await outcomeOf(dial(`wss://127.0.0.2:${other.port}/`, { tls: { ...tls, ca: certificates.ca } }).link), /^failed 0 .*ALTNAME/, 'of another name');
  t.equal(await outcomeOf(dial(agent.url, { tls: { ...tls, verify: false } }).link), 'open', 'unless it is not to be judged');
  t.match(await outcomeOf(dial(agent.url, { tls: { ...tls, ca: '/nowhere/ca.pem' } }).link), 'failed 0 a file of tls: ENOENT');
});

t.test('header fields go out, audio, marks, digits and words go both ways', async (t) => {
  const { link, words, pcm, there } = await talk(t, {}, { headers: { Authorization: 'Bearer s3cret-of-agents', 'X-WA-Number': '+447700900001' } });
  t.match(there.report(), { headers: { authorization: 'Bearer s3cret-of-agents', 'x-wa-number': '+447700900001' }, sampleRate: 16_000, call: { user: '+447700900101' } });
  for (let i = 0; i < 5; i += 1) link.end.link.postMessage(new Int16Array(320).fill(i));
  link.end.link.postMessage({ mark: 'reached' });
  link.digit('7', 160);
  await until(() => there.report().digits === '7' && there.report().marks.length === 1);
  t.match(there.report(), { ok: true, frames: 5, digits: '7', marks: [{ name: 'reached', cleared: false }] });
  const [digit, transfer] = [once(link, 'digit'), once(link, 'transfer')];
  there.speak(500);
  there.mark('here');
  there.clear();
  there.press('#');
  there.transfer('pbx', '6001');
  t.same([await digit, await transfer], [['#'], ['pbx', '6001']]);
  await until(() => words.length === 3);
  t.same([pcm(), words.filter((word) => !(word instanceof Int16Array))], [8000, [{ mark: 'here' }, { clear: true, marks: [] }]]);
  const hungUp = once(link, 'hungUp');
  there.hangUp();
  await hungUp;
  await once(there, 'ended');
  t.equal(there.report().stopped, true, 'and is told that it is over');
  t.notOk(log.some((line) => line.includes('s3cret')), 'no secret is in the log');
});

t.test('what cannot be read is passed over, told once, and the conversation goes on', async (t) => {
  const { link, words, pcm, there } = await talk(t, { dialect: 'twilio' }, { sampleRate: 8000 });
  const faults: string[] = [];
  link.on('fault', (text: string) => faults.push(text));
  there.socket.send(Buffer.alloc(5000));
  for (const text of ['{', '{"__proto__":{"event":"clear"}}', '{"event":"media","media":{"payload":"&&&&"}}', `{"event":"media","media":{"payload":"${'['.repeat(100_000)}"}}`, '['.repeat(200_000)]) there.send(text);
  for (let i = 0; i < 10_000; i += 1) there.mark(String(i));
  there.speak(100);
  await until(() => pcm() > 0);
  t.same([faults, pcm()], [['octets, where this dialect has text'], 800]);
  t.equal(words.filter((word) => !(word instanceof Int16Array)).length, 10_000);
  link.close('done');
  await once(link, 'closed');
});

t.test('digits and transfers without end reach the main thread fifty a second', async (t) => {
  const { link, there, words } = await talk(t);
  const told = { digit: 0, transfer: 0, fault: '' };
  link.on('digit', () => { told.digit += 1; });
  link.on('transfer', () => { told.transfer += 1; });
  link.on('fault', (text: string) => { told.fault = text; });
  for (let i = 0; i < 2000; i += 1) {
    there.press('1');
    there.transfer('pbx', '+12025550123');
  }
  there.mark('behind them');
  await until(() => words.length > 0);
  t.ok(told.digit + told.transfer <= 100 && told.digit >= 25, `${told.digit} and ${told.transfer}`);
  t.match(told.fault, /more than 50 digits and transfers/);
  link.close('done');
});

t.test('whether an agent is there is asked without a call to it', async (t) => {
  const tls = { verify: true, ca: null, clientCert: null, clientKey: null };
  const [plain, secure] = [await agentFor(t), await agentFor(t, { cert: certificates.cert, key: certificates.key })];
  t.match(await probeSocket(plain.url, tls, 1000), { answered: true });
  t.match(await probeSocket(secure.url, { ...tls, ca: certificates.ca }, 1000), { answered: true });
  t.match(await probeSocket(secure.url, tls, 1000), { answered: false, reason: /SELF_SIGNED|UNABLE_TO/ });
  t.match(await probeSocket('ws://127.0.0.1:1/', tls, 1000), { answered: false, reason: 'ECONNREFUSED' });
  t.match(await probeSocket(secure.url.replace(/:\d+/, `:${plain.port}`), tls, 300), { answered: false });
  t.equal(plain.requests + secure.requests, 0);
  const finding = async (url: string, more: object = {}): Promise<string> => {
    const peers = { bot: { register: false, pstn: 'none', websocket: url, tls, srtp: 'none', sources: [], mayCall: [], digest: null, ...more } };
    const [found] = await examinePeers({ peers, routes: [], media: { engine: 'freeswitch' }, sip: { server: 'drachtio' } } as unknown as Config);
    return `${found?.level} ${found?.text}`;
  };
  t.match(await finding(`${secure.url}?key=s3cret`, { tls: { ...tls, ca: certificates.ca } }), new RegExp(`^ok bot: wss://localhost:${secure.port} takes connections, and its certificate is right$`));
  t.match(await finding(secure.url), /^fail bot: wss:.* cannot be reached: /);
});

t.test('frames of many megabytes, and floods, cost the conversation and nothing else', async (t) => {
  const beside = await talk(t);
  const huge = await talk(t);
  // A connection that has not stood for a second is not opened again.
  const gone = once(huge.link, 'gone');
  huge.there.socket.send(Buffer.alloc(10 << 20));
  t.match(await gone, [/the socket was lost: 1006 Max payload size exceeded/]);
  const flood = await talk(t);
  const flooded = once(flood.link, 'gone');
  for (let i = 0; i < 30_000; i += 1) flood.there.socket.ping();
  t.match(await flooded, [/more than 12000 messages in a second/]);
  const heard = once(beside.there, 'digit');
  beside.link.digit('1', 160);
  t.same(await heard, ['1']);
});

t.test('one that says hours at once keeps no other waiting: a minute is kept, the rest is counted, and it is read at its turn', async (t) => {
  const [beside, flood] = [await talk(t), await talk(t, { dialect: 'jambonz' }, { dialect: 'jambonz', sampleRate: 24_000 })];
  const message = JSON.stringify({ type: 'playAudio', data: { audioContentType: 'raw', sampleRate: 8000, audioContent: Buffer.alloc(3_000_000, 7).toString('base64') } });
  let longest = 0;
  // 19 minutes of audio in 24 MB.
  for (let i = 0; i < 6; i += 1) flood.there.send(message);
  flood.there.mark('behind');
  for (let i = 0; i < 30; i += 1) {
    const began = performance.now();
    const heard = once(beside.there, 'digit');
    beside.link.digit('1', 160);
    await heard;
    longest = Math.max(longest, performance.now() - began);
  }
  await until(() => flood.words.some((word) => !(word instanceof Int16Array) && 'mark' in word));
  t.ok(longest < 800, `another's digit was ${Math.round(longest)} ms on its way`);
  const kept = flood.pcm() / 24_000;
  t.ok(kept >= 59 && kept < 66, `${kept} s were kept`);
  const dropped = flood.words.reduce((sum, word) => sum + (!(word instanceof Int16Array) && 'lost' in word ? word.lost : 0), 0) / 24_000;
  t.ok(Math.abs(kept + dropped - (6 * 1_500_000) / 8000) < 0.1, `${dropped} s were lost`);
  const closed = once(flood.link, 'closed');
  flood.link.close('done');
  const [{ fromAgent }] = await closed as [{ fromAgent: number }];
  t.ok(Math.abs(fromAgent / 50 - dropped) < 0.1, `${fromAgent} frames are counted`);
});

t.test('what is cleared is not heard, at another rate either, and its marks are told', async (t) => {
  const { there, words, pcm } = await talk(t, { dialect: 'jambonz' }, { dialect: 'jambonz', sampleRate: 24_000 });
  const marks: string[] = [];
  there.on('mark', (name) => marks.push(name));
  there.send(JSON.stringify({ type: 'playAudio', data: { audioContentType: 'raw', sampleRate: 8000, audioContent: Buffer.alloc(800_000, 7).toString('base64') } }));
  there.mark('never');
  there.clear();
  there.mark('then');
  await until(() => words.some((word) => !(word instanceof Int16Array) && 'mark' in word));
  t.ok(pcm() / 24_000 < 10, `${pcm() / 24_000} of 50 s went on`);
  t.match(words.filter((word) => !(word instanceof Int16Array)), [{ clear: true, marks: ['never'] }, { mark: 'then' }]);
  t.same(marks, [], 'the packet path tells of them, behind those that it has');
});

t.test('who does not read loses frames; what waits is bounded, and the agent hears on once it reads again', async (t) => {
  const { link, there } = await talk(t);
  there.socket.pause();
  const read = new Int32Array(link.end.read);
  // What the system keeps for a connection on loopback is megabytes: so many frames are given as fill it.
  let given = 0;
  while (given < 30_000) {
    for (let i = 0; i < 500; i += 1) link.end.link.postMessage(new Int16Array(480));
    given += 500;
    await until(() => Atomics.load(read, 0) === given);
  }
  there.socket.resume();
  const digit = once(there, 'digit');
  await until(() => there.report().frames > 0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  link.digit('1', 160);
  await digit;
  const closed = once(link, 'closed');
  link.close('done');
  const [{ toAgent }] = await closed as [{ toAgent: number }];
  t.ok(toAgent > 1000, `${toAgent} of ${given} frames were lost`);
  t.equal(there.report().frames + toAgent, given, 'each was sent or counted');
});

t.test('a socket that is lost is opened again, once, and what it was told is told again; one that cannot be is gone within two seconds', async (t) => {
  const { link, agent, there, words } = await talk(t);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const [lost, again, next] = [once(link, 'lost'), once(link, 'again'), agent.next()];
  there.socket.terminate();
  const second = await next;
  t.match(await lost, [/^1006/]);
  await again;
  second.speak(100);
  await until(() => words.length > 0);
  t.match(second.report(), { ok: true, call: { user: '+447700900101' }, sampleRate: 16_000 });
  await new Promise((resolve) => setTimeout(resolve, 1100));
  agent.behaviour = { ...agent.behaviour, refuse: 503 };
  const [began, gone] = [performance.now(), once(link, 'gone')];
  second.socket.close(1011, 'out of memory');
  t.match(await gone, [/lost \(1011 out of memory\) and could not be opened again: HTTP 503/]);
  const took = performance.now() - began;
  t.ok(took > 1500 && took < 3000, `after ${Math.round(took)} ms`);
  t.ok(agent.requests > 4, 'it was tried more than once');
});

t.test('a socket that closes in any instant of the set-up leaves nothing behind', async (t) => {
  const agent = await agentFor(t);
  for (const [what, close] of [['as it opens', (there: AgentConversation) => there.socket.terminate()], ['as it opens, in words', (there: AgentConversation) => there.socket.close(1000)]] as const) {
    agent.once('conversation', close);
    const { link } = dial(agent.url);
    const outcome = await Promise.race([once(link, 'hungUp').then(() => 'over'), once(link, 'gone').then(() => 'over'), once(link, 'refused').then(() => 'over')]);
    t.equal(outcome, 'over', what);
    t.not(link.fate, null, 'who looks later finds it');
  }
  for (const ms of [0, 1, 3, 10]) {
    const { link } = dial(agent.url);
    const closed = once(link, 'closed');
    setTimeout(() => link.close('not wanted'), ms);
    await closed;
  }
});
