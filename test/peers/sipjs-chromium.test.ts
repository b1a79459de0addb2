// An application of SIP.js, as npm has it, in headless Chromium against our wss: registers, answers, calls; audio both ways, hold and transfer.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, normalize } from 'node:path';
import { chromium, type Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { hears, noBrowser } from '../helpers/browser.js';
import { engines } from '../helpers/engines.js';
import { domain, listener, number } from '../helpers/service.js';
import { openStage, pause } from '../scenario/harness.js';

const skip = noBrowser !== false ? noBrowser : engines.media !== 'embedded' || engines.sip !== 'embedded' ? 'webrtc: true wants our own engine and SIP server' : false;
const [AGENT, USER] = [1000, 700];

/** The whole application. What it says beeps, as what is steady a browser takes for noise. */
const application = `<!doctype html><audio id="heard" autoplay></audio><script type="module">
import { UserAgent, Registerer, Inviter, SessionState, Web } from '/sip.js/index.js';
const [user, server] = decodeURIComponent(location.hash.slice(1)).split(' at ');
const context = new AudioContext();
const oscillator = new OscillatorNode(context, { frequency: ${AGENT} });
const gain = new GainNode(context, { gain: 0 });
const voice = context.createMediaStreamDestination();
oscillator.connect(gain).connect(voice);
oscillator.start();
setInterval(() => { gain.gain.value = gain.gain.value > 0 ? 0 : 0.4; }, 300);
const uri = (who) => UserAgent.makeURI('sip:' + who + '@${domain}');
const ua = new UserAgent({
  uri: uri(user), transportOptions: { server }, authorizationUsername: user, authorizationPassword: 'pw-' + user,
  sessionDescriptionHandlerFactory: Web.defaultSessionDescriptionHandlerFactory(async () => voice.stream),
  delegate: { onInvite: (invitation) => take(invitation) },
});
const app = window.app = {
  session: null, states: [], from: null,
  answer: () => app.session.accept(),
  call: async (who) => { const inviter = new Inviter(ua, uri(who)); take(inviter); await inviter.invite(); },
  hangUp: () => app.session.bye(),
  hold: (is) => app.session.invite({ sessionDescriptionHandlerModifiers: is ? [Web.holdModifier] : [] }),
  refer: (who) => app.session.refer(uri(who)),
};
function take(session) {
  app.session = session;
  app.from = session.remoteIdentity.uri.user;
  session.stateChange.addListener((state) => {
    app.states.push(state);
    if (state !== SessionState.Established) return;
    document.getElementById('heard').srcObject = session.sessionDescriptionHandler.remoteMediaStream;
  });
}
await ua.start();
const registerer = new Registerer(ua);
registerer.stateChange.addListener((state) => { app.registered = state; });
await registerer.register();
</script>`;

interface App {
  readonly session: { readonly state: string } | null;
  readonly states: readonly string[];
  readonly from: string | null;
  readonly registered?: string;
  answer(): Promise<void>;
  call(who: string): Promise<void>;
  hangUp(): Promise<void>;
  hold(is: boolean): Promise<void>;
  refer(who: string): Promise<void>;
}

/** The application, and SIP.js as it lies in node_modules. */
async function serve(t: Test): Promise<string> {
  const files = join(import.meta.dirname, '../../node_modules/sip.js/lib');
  const server = createServer((request, response) => {
    const [, path] = /^\/sip\.js\/([\w./-]+\.js)$/.exec(request.url ?? '') ?? [];
    if (path === undefined) {
      response.setHeader('Content-Type', 'text/html');
      response.end(application);
    } else {
      readFile(join(files, normalize(`/${path}`))).then((text) => response.setHeader('Content-Type', 'text/javascript').end(text), () => response.writeHead(404).end());
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => { server.closeAllConnections(); server.close(); });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

t.test('agents with SIP.js', { skip, timeout: 240_000 }, async (t) => {
  const origin = await serve(t);
  const stage = await openStage({
    external: {},
    overlay: {
      sip: { listen: ['tls:127.0.0.1:0', 'udp:127.0.0.1:0', 'wss:127.0.0.1:0'], origins: [origin] },
      media: { interface: '127.0.0.1' },
      peers: { agents: { register: true, webrtc: true, pstn: 'none', accounts: { 6001: { password: 'pw-6001' }, 6002: { password: 'pw-6002' } }, mayCall: [number], codecs: ['opus', 'PCMU'] } },
      routes: [{ name: 'main', number, to: [{ peer: 'agents', user: '6001' }], ringTimeout: 30 }],
    },
  });
  t.teardown(() => stage.close());
  const browser = await chromium.launch({
    executablePath: process.env.WAB_CHROMIUM_BIN ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--autoplay-policy=no-user-gesture-required', '--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns', '--ignore-certificate-errors',
      `--host-resolver-rules=MAP ${domain} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
    ],
  });
  t.teardown(() => browser.close());
  const complaints: string[] = [];
  const app = <T>(page: Page, body: (app: App, given: string) => T, given = ''): Promise<Awaited<T>> => page.evaluate(`(${body.toString()})(window.app, ${JSON.stringify(given)})`) as Promise<Awaited<T>>;
  const until = async (what: string, done: () => Promise<boolean> | boolean): Promise<void> => {
    for (const deadline = Date.now() + 40_000; !await done(); await pause(100)) if (Date.now() > deadline) throw new Error(`not within 40 s: ${what}; ${complaints.join('; ')}`);
  };
  const agent = async (user: string): Promise<Page> => {
    const page = await (await browser.newContext()).newPage();
    page.on('pageerror', (error) => complaints.push(error.message));
    const { port } = listener(stage.running.service, 'wss');
    await page.goto(`${origin}/#${user} at wss://${domain}:${port}`);
    await until(`${user} is registered`, () => page.evaluate('window.app?.registered === "Registered"'));
    return page;
  };
  const [first, second] = [await agent('6001'), await agent('6002')];
  const hearsUser = (page: Page) => async (): Promise<boolean> => Math.abs(await hears(page) - USER) < 40;

  await t.test('a WhatsApp user calls; hold, transfer to the other', async (t) => {
    const caller = stage.user({ source: 'tone', tones: [USER, USER], expect: [AGENT], from: '+447700900105' });
    const placed = caller.place();
    await until('it rings', () => app(first, ({ session }) => session !== null));
    t.equal(await app(first, ({ from }) => from), '+447700900105');
    await app(first, (a) => a.answer());
    t.equal(await placed, 200);
    await until('the agent hears the user', hearsUser(first));
    await until('the user hears the agent', () => caller.report().audio?.toneHeard === true);
    await app(first, (a) => a.hold(true));
    await until('nothing is heard on hold', async () => await hears(first) === 0);
    await app(first, (a) => a.hold(false));
    await until('the agent hears the user again', hearsUser(first));
    await app(first, (a, who) => a.refer(who), '6002');
    await until('the other rings', () => app(second, ({ session }) => session !== null));
    await app(second, (a) => a.answer());
    await until('the other hears the user', hearsUser(second));
    await until('the first is out of the call', () => app(first, ({ session }) => session?.state === 'Terminated'));
    await caller.hangUp();
    await until('the second too', () => app(second, ({ session }) => session?.state === 'Terminated'));
    t.same(caller.report().violations, [], 'the Meta leg noticed nothing');
    caller.close();
    const [record] = await stage.running.records(1);
    t.match(record, { termination: { by: 'user', reason: 'hangup' }, media: { peer: { codec: 'opus', keying: 'dtls' } }, transfers: [{ kind: 'blind', to: '6002@agents', status: 200 }] });
  });

  await t.test('an agent calls a WhatsApp user', async (t) => {
    const meta = await stage.answerAsMeta({ behaviour: 'tone', tones: [USER, USER], expect: [AGENT] });
    await app(first, (a, who) => a.call(who), '+447700900101');
    await until('Meta has the call', () => meta.liveCalls[0]?.report().status === 200);
    await until('the agent hears the user', hearsUser(first));
    await app(first, (a) => a.hangUp());
    const [, record] = await stage.running.records(2);
    t.match(record, { direction: 'business-initiated', account: '6001', termination: { by: 'peer', reason: 'hangup' } });
    await meta.close();
  });
  t.same(complaints, []);
});
