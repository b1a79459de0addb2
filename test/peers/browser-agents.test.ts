// Two agents in headless Chromium with the softphone page: register over WSS, answer, hold, digits, another network, transfer.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Page } from 'playwright-core';
import t from 'tap';
import { hears, noBrowser } from '../helpers/browser.js';
import { engines } from '../helpers/engines.js';
import { noOtherNetwork, OtherNetwork } from '../helpers/netns.js';
import { domain, number } from '../helpers/service.js';
import { openStage, pause } from '../scenario/harness.js';

const skip = noBrowser !== false ? noBrowser : engines.media !== 'embedded' || engines.sip !== 'embedded' ? 'webrtc: true wants our own engine and SIP server' : noOtherNetwork();
const [AGENT, USER] = [1000, 700];

/** What the agents say: beeps, as what is steady a browser takes for noise. 16 bits, 48 kHz. */
function beeps(): Buffer {
  const samples = Int16Array.from({ length: 48_000 * 2 }, (_, i) => (i % 24_000 < 16_000 ? 12_000 * Math.sin((2 * Math.PI * AGENT * i) / 48_000) : 0));
  const head = Buffer.alloc(44);
  head.write('RIFF', 0); head.writeUInt32LE(36 + samples.byteLength, 4); head.write('WAVEfmt ', 8); head.writeUInt32LE(16, 16); head.writeUInt16LE(1, 20); head.writeUInt16LE(1, 22);
  head.writeUInt32LE(48_000, 24); head.writeUInt32LE(96_000, 28); head.writeUInt16LE(2, 32); head.writeUInt16LE(16, 34); head.write('data', 36); head.writeUInt32LE(samples.byteLength, 40);
  return Buffer.concat([head, Buffer.from(samples.buffer)]);
}

async function freePortOn(address: string): Promise<number> {
  const server = createServer().listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

t.test('two agents in Chromium', { skip, timeout: 240_000 }, async (t) => {
  const network = new OtherNetwork();
  t.teardown(() => network.close());
  const dir = await mkdtemp(join(tmpdir(), 'wab-agents-'));
  t.teardown(() => rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
  const here = network.here;
  const [pages, sockets] = [await freePortOn(here), await freePortOn(here)];
  const stage = await openStage({
    external: {},
    overlay: {
      sip: { listen: ['tls:127.0.0.1:0', 'udp:127.0.0.1:0', `wss:${here}:${sockets}`], origins: [`http://${here}:${pages}`] },
      media: { interface: { meta: '127.0.0.1', peers: here } },
      http: { listen: `${here}:${pages}`, phone: true }, api: { tokens: [{ name: 'test', token: 'token-0123456789abcdef', scopes: ['read'] }] },
      peers: { agents: { register: true, webrtc: true, pstn: 'none', accounts: { 6001: { password: 'pw-6001' }, 6002: { password: 'pw-6002' } }, mayCall: [number], codecs: ['opus', 'PCMU'] } },
      routes: [{ name: 'main', number, to: [{ peer: 'agents', user: '6001' }], ringTimeout: 30 }],
    },
  });
  t.teardown(() => stage.close());
  const voice = join(dir, 'voice.wav');
  await writeFile(voice, beeps());
  const browser = await chromium.launch({
    executablePath: network.wrapper(dir, process.env.WAB_CHROMIUM_BIN ?? '/usr/bin/chromium'),
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--autoplay-policy=no-user-gesture-required', '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream', `--use-file-for-fake-audio-capture=${voice}`,
      '--ignore-certificate-errors', `--unsafely-treat-insecure-origin-as-secure=http://${here}:${pages}`, `--host-resolver-rules=MAP ${domain} ${here}, MAP * ~NOTFOUND, EXCLUDE ${here}`,
    ],
  });
  t.teardown(() => browser.close());
  const complaints: string[] = [];
  const agent = async (user: string): Promise<Page> => {
    const page = await (await browser.newContext({ permissions: ['microphone'] })).newPage();
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => { if (message.type() === 'error' && !/WebSocket connection|ERR_/.test(message.text())) complaints.push(message.text()); });
    await page.goto(`http://${here}:${pages}/phone`);
    await page.fill('#user', user);
    await page.fill('#password', `pw-${user}`);
    await page.click('text=Sign in');
    await page.waitForSelector('text=is ready');
    return page;
  };
  const [first, second] = [await agent('6001'), await agent('6002')];
  t.pass('both are registered over WSS');
  const until = async (what: string, done: () => Promise<boolean>, within = 40_000): Promise<void> => {
    for (const deadline = Date.now() + within; !await done(); await pause(100)) if (Date.now() > deadline) throw new Error(`not within ${within} ms: ${what}; the page says ${await first.textContent('body')}`);
  };
  const hearsUser = (page: Page) => async (): Promise<boolean> => Math.abs(await hears(page) - USER) < 40;

  const caller = stage.user({ source: 'tone', tones: [USER, USER], expect: [AGENT] });
  const placed = caller.place();
  await first.click('text=Answer');
  t.equal(await placed, 200);
  await until('the agent hears the user', hearsUser(first));
  await until('the user hears the agent', async () => caller.report().audio?.toneHeard === true);

  await first.click('text=Hold');
  await first.waitForSelector('text=on hold');
  await until('nothing is heard on hold', async () => await hears(first) === 0);
  await first.click('text=Resume');
  await until('the agent hears the user again', hearsUser(first));
  await first.click('text=Keypad');
  await first.click('[aria-label="digit 5"]');
  await until('the digit', async () => caller.report().audio?.digits === '5');

  // The key's event is over at the user's end, too: what is cut off in the middle of it is not what is judged here.
  await pause(400);
  network.lose();
  await pause(5000);
  network.findAnother();
  await first.waitForSelector('text=no connection', { timeout: 15_000 }).catch(() => { /* it was back before that was seen */ });
  await until('the call goes on in another network', async () => (await first.textContent('#state'))?.includes('is ready') === true && await hearsUser(first)(), 60_000);
  await second.waitForSelector('text=6002 is ready');

  await first.fill('[aria-label="Transfer to"]', '6002');
  await first.click('text=Transfer');
  await second.click('text=Answer');
  await until('the second agent hears the user', hearsUser(second));
  await first.waitForSelector('#calls li', { state: 'detached' });
  await pause(1000);
  await caller.hangUp();
  await second.waitForSelector('#calls li', { state: 'detached' });
  const report = caller.report();
  caller.close();
  t.same(report.violations, [], 'the Meta leg noticed nothing of it all');
  t.same(complaints, [], 'nor did the pages complain');
  const [record] = await stage.running.records(1);
  t.match(record, { termination: { by: 'user', reason: 'hangup' }, media: { peer: { codec: 'opus', keying: 'dtls' } } });
});
