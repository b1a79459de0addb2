// The service as a process, killed with -9 again and again in the life of permissions: behind a request that Meta has, behind its answer, behind the 200 to a webhook, between a call's
// count and its INVITE, while it rings, while a voicemail is fetched, or at any moment. Never a request and never a call that Meta refuses, but where a webhook about that user is on its
// way; a webhook that was answered 200 is in the state file; voicemails are stored, each once; at the end both sides rule the same of every user. WAB_KILLS and WAB_SEED for more.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { MetaSide, startGraph, startMeta, startPeer } from '../../../lib/simulator/index.js';
import { runProcess } from '../../helpers/process.js';
import { domain, freePort, number, password, writeConfig } from '../../helpers/service.js';
import { pause } from '../harness.js';

const kills = Number(process.env['WAB_KILLS'] ?? 6);
const seed = Number(process.env['WAB_SEED'] ?? 17);
const id = '100000000000001';
const user = (n: number): string => `+44770090${String(1000 + n)}`;
const waId = (name: string): string => name.slice(1);

/** Where the process is killed. */
const points = ['request', 'question', 'webhook', 'invite', 'voicemail', 'any'] as const;

t.test(`killed ${kills} times (WAB_SEED=${seed})`, { timeout: 60_000 + kills * 20_000 }, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'wab-kills-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  let state = seed;
  const below = (count: number): number => (state = (state * 1103515245 + 12345) % 2147483648) % count;
  const [webhookPort, metaPort] = [await freePort(), await freePort()];
  const secret = 'secret-of-the-app';
  const calling = { status: 'ENABLED', sip: { status: 'ENABLED', webhook_delivery: 'ENABLED' }, srtp_key_exchange_protocol: 'SDES', callback_permission_status: 'ENABLED' };
  const graph = await startGraph({
    tokens: { EAAtoken: '9' }, numbers: [{ number, id, calling, servers: { 9: { hostname: domain, port: 5061, password } } }], webhooks: { url: `http://127.0.0.1:${webhookPort}/meta`, secret }, behaviour: 'duplicate',
  });
  t.teardown(() => graph.close());
  const { world } = graph;
  const peer = await startPeer({ media: 'none' });
  t.teardown(() => peer.close());
  const boxes = join(dir, 'voicemail');
  const stateFile = join(dir, 'state');
  const { text, certificates } = await writeConfig(dir, {
    metaPort, peers: { pbx: { port: peer.port, mayCall: [number] } },
    overlay: {
      state: `file:${stateFile}`, meta: { mediaTimeout: 0 }, graph: { url: graph.url, token: 'EAAtoken', timeout: 2, whenDown: 'refuse', verifyEvery: 0 },
      numbers: { [number]: { id, permission: 'request', newCallsPerDay: 100_000 } }, webhooks: { listen: `127.0.0.1:${webhookPort}`, appSecret: secret, verifyToken: 'v', voicemail: boxes },
    },
  });
  const config = join(dir, 'config.yaml');
  await writeFile(config, text);
  const side = await MetaSide.open({ listen: `127.0.0.1:${metaPort}`, cert: certificates.metaCert, key: certificates.metaKey });
  t.teardown(() => side.close());
  const meta = await startMeta({ side, numbers: [], byeVia: 'same', media: 'none', behaviour: 'noring', ledger: graph.calls });
  t.teardown(() => meta.close());

  const told = { killed: {} as Record<string, number>, requests: 0, calls: 0, webhooks: 0, overtaken: 0, voicemails: 0, statuses: {} as Record<string, number> };
  const wrong: string[] = [];
  const onTheWay = (name: string): boolean => world.webhooks.sent.some((sent) => sent.status !== 200 && JSON.stringify(sent.body).includes(waId(name)));
  let reached: (point: typeof points[number]) => void = () => undefined;
  graph.onRequest = ({ path, status, body }) => {
    if (path.includes('call_permissions')) reached('question');
    if (/\/\d+$/.test(path)) reached('voicemail');
    if (!path.endsWith('/messages')) return;
    told.requests += 1;
    if (status !== 200) wrong.push(`a request too many: ${status} ${body}`);
    reached('request');
  };
  meta.on('refused', ({ status, uri, text: said }) => {
    const name = /sip:([^@;]+)/.exec(uri)?.[1] ?? '';
    if (status !== 403) return;
    if (onTheWay(name)) told.overtaken += 1;
    else wrong.push(`a call too many: ${uri} ${said}`);
  });
  meta.on('call', () => { told.calls += 1; });
  const { invites } = side;
  side.invites = (transaction) => {
    reached('invite');
    invites?.(transaction);
  };

  /** Webhooks that somebody has to have kept: their own id, what tells them apart, and whether they were looked for. */
  const looked = new Set<unknown>();
  const left = new Map<string, string>();
  function leave(n: number): void {
    const media = `9000000000${String(1000 + n)}`;
    world.media.set(media, { bytes: Buffer.from(`OggS ${n}`), mimeType: 'audio/ogg; codecs=opus' });
    const wacid = `wacid.KILL${n}`;
    left.set(wacid, media);
    const { number: found, user: from } = graph.pair(number, user(n));
    world.tell(found, 'messages', { contacts: [{ wa_id: from.waId, user_id: from.userId }], messages: [{ id: wacid, from: from.waId, timestamp: String(world.clock.seconds()), type: 'audio', audio: { id: media, mime_type: 'audio/ogg; codecs=opus' } }] });
  }
  async function kept(): Promise<void> {
    const file = await readFile(stateFile, 'utf8');
    for (const sent of world.webhooks.sent) {
      if (sent.status !== 200 || looked.has(sent)) continue;
      looked.add(sent);
      const messages = (sent.body['entry'] as { changes: { value: { messages?: { id: string }[] } }[] }[])[0]?.changes[0]?.value.messages ?? [];
      for (const { id: message } of messages) {
        told.webhooks += 1;
        if (!file.includes(message)) wrong.push(`a webhook was answered 200 and is lost: ${message}`);
      }
    }
  }

  /** Meta sends for days what was not taken; the stand-in for six seconds. */
  function sendAgain(): void {
    const { sent } = world.webhooks;
    for (const one of sent.splice(0)) {
      if (one.status === 200) sent.push(one);
      else world.webhooks.send(one.body);
    }
  }

  let next = 0;
  for (let life = 0; life < kills && wrong.length === 0; life += 1) {
    const service = await runProcess(config);
    const dial = (name: string): ReturnType<typeof peer.call> => peer.call(`sip:${name}@127.0.0.1:${service.port('udp')}`, { from: `<sip:${number}@pbx.example>` });
    sendAgain();
    meta.behaviour = life % 3 === 2 ? 'unreachable,ring=0' : 'noring';
    const point = points[(life + seed) % points.length] ?? 'any';
    told.killed[point] = (told.killed[point] ?? 0) + 1;
    let countdown = 1 + below(6);
    const ended = new Promise<void>((resolve) => {
      const end = (): void => { setTimeout(() => resolve(service.end('SIGKILL')), below(3) * below(8)); };
      reached = (at) => { if (at === point && (countdown -= 1) === 0) end(); };
      setTimeout(end, point === 'any' ? below(900) : 3000);
    });
    const watch = setInterval(() => { if (world.webhooks.sent.some((sent) => sent.status === 200 && !looked.has(sent))) reached('webhook'); }, 1);
    // New users are asked; those of before answer, are called, call, and leave messages.
    const known = Array.from({ length: Math.min(next, 8) }, () => user(below(next)));
    const fresh = Array.from({ length: 6 }, () => user(next++));
    for (const [n, name] of known.entries()) graph.answer(number, name, n % 4 === 3 ? 'reject' : n % 4 === 2 ? 'permanent' : 'accept', n % 2 === 0);
    for (let n = 0; n < 3; n += 1) leave(life * 3 + n);
    const calls: Awaited<ReturnType<typeof dial>>[] = [];
    for (const name of [...fresh, ...new Set(known)]) calls.push(await dial(name));
    await ended;
    clearInterval(watch);
    reached = () => undefined;
    await kept();
    for (const call of calls) {
      const { status } = call.report();
      told.statuses[String(status)] = (told.statuses[String(status)] ?? 0) + 1;
      call.close();
    }
    for (const call of [...peer.liveCalls, ...meta.liveCalls]) call.close();
  }

  const service = await runProcess(config);
  t.teardown(() => service.end('SIGINT'));
  meta.behaviour = 'noring';
  await world.webhooks.idle();
  sendAgain();
  await world.webhooks.idle();
  const names = Array.from({ length: next }, (_, n) => user(n));
  const undelivered = world.webhooks.sent.filter(({ status }) => status !== 200).length;
  for (const name of names) {
    const pair = graph.pair(number, name);
    const permitted = world.ledger.isPermitted(pair.number, pair.user);
    const call = await peer.call(`sip:${name}@127.0.0.1:${service.port('udp')}`, { from: `<sip:${number}@pbx.example>` });
    const status = await call.final ?? 0;
    if (status === 200) await call.bye();
    else call.close();
    if ((status === 200) !== permitted && !onTheWay(name)) wrong.push(`at the end: ${name}: Meta ${permitted ? 'permits' : 'does not permit'} calls; the call ended with ${status}`);
  }
  const stored = new Set<string>();
  for (let i = 0; i < 500 && stored.size < left.size; i += 1) {
    for (const file of (await readdir(boxes).catch(() => [])).filter((one) => one.endsWith('.json'))) stored.add((JSON.parse(await readFile(join(boxes, file), 'utf8')) as { wacid: string }).wacid);
    await pause(20);
  }
  told.voicemails = stored.size;
  const files = (await readdir(boxes)).filter((one) => one.endsWith('.json'));
  const delivered = [...left.keys()].filter((wacid) => world.webhooks.sent.some((sent) => sent.status === 200 && JSON.stringify(sent.body).includes(`"${wacid}"`)));
  t.comment(JSON.stringify({ ...told, undelivered }));
  t.same(wrong, []);
  t.same(delivered.filter((wacid) => !stored.has(wacid)), [], 'every voicemail that was answered 200 is there');
  t.equal(undelivered, 0);
  t.equal(files.length, stored.size, 'once');
  // How much of each is chance, and the machine's.
  t.ok(told.requests > 0 && told.calls > 0 && told.webhooks > 0, `there was life in it: ${JSON.stringify(told)}`);
});
