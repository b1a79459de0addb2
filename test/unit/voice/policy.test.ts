import t from 'tap';
import { stringify } from 'yaml';
import { parseConfig } from '../../../lib/config/load.js';
import { openSockets } from '../../../lib/config/sockets.js';
import { compilePolicy, judgeTarget, prove } from '../../../lib/policy/index.js';
import { configOf, number } from '../policy/configuration.js';

const agent = { websocket: 'wss://agent.example.net/call', pstn: 'none', users: ['agent'] };
const pbx = { uri: 'sip:10.0.0.7:5060', pstn: 'none', users: ['6[0-9]{3}'] };
const routes = [{ name: 'main', number, to: [{ peer: 'bot', user: 'agent' }] }];
const start = [`number ${number}`, 'route main', 'peer bot'];

t.test('an agent is a peer to the proof: what it may do with a call is followed to the telephone network', async (t) => {
  const faultsOf = (peers: Record<string, object>) => prove(compilePolicy(configOf({ peers, routes }))).faults;
  t.same(faultsOf({ bot: { ...agent, mayTransferTo: ['pbx'] }, pbx }), []);
  t.match(faultsOf({ bot: { ...agent, mayTransferTo: ['gw'] }, gw: { uri: 'sip:10.0.0.9', users: ['6001'] } }), [{ path: 'peers.bot.mayTransferTo[0]', message: /peer bot may send calls to peer gw, whose pstn is not none/, steps: [...start, 'transfer or redirection to peer gw'] }]);
  t.match(faultsOf({ bot: { ...agent, mayTransferTo: ['pbx'] }, pbx: { ...pbx, mayTransferTo: ['gw'] }, gw: { uri: 'sip:10.0.0.9', users: ['6001'] } }), [{ path: 'peers.pbx.mayTransferTo[0]' }], 'two steps on');
  t.match(faultsOf({ bot: { ...agent, mayTransferTo: ['pbx'] }, pbx: { ...pbx, users: ['[0-9]+'] } }), [{ path: 'peers.pbx.users[0]', message: /could match the telephone number/ }]);
  t.match(faultsOf({ bot: { ...agent, pstn: 'sip trunk behind it' } }), [{ path: 'routes[0].to[0]', message: /target\.gateway/ }], 'an agent that dials out');
  t.match(faultsOf({ bot: { ...agent, users: ['agent', '.+'] } }), [{ path: 'peers.bot.users[1]' }]);
});

t.test("a transfer of an agent's is judged as a REFER of its peer", async (t) => {
  const policy = compilePolicy(configOf({ peers: { bot: { ...agent, mayTransferTo: ['pbx'] }, pbx, other: { ...pbx, uri: 'sip:10.0.0.8' } }, routes }));
  const judge = (peer: string, uri: string): string => judgeTarget(policy, { origin: 'refer', number, route: 'main', peer, by: 'bot', uri }).code;
  t.same([judge('pbx', 'sip:6001@10.0.0.7:5060'), judge('other', 'sip:6001@10.0.0.8'), judge('pbx', 'sip:+12025550123@10.0.0.7:5060'), judge('bot', 'sip:agent@bot.websocket.invalid')], ['target.onNet', 'transfer.right', 'target.number', 'target.onNet']);
});

t.test('keys of an agent that do not go together are named; its secrets are in no error and not in the hash', async (t) => {
  const faultsOf = (bot: object): string[] => {
    try {
      configOf({ peers: { bot, pbx }, routes: [] });
      return [];
    } catch (error) {
      return (error as { faults: { path: string; message: string }[] }).faults.map(({ path, message }) => `${path} ${message}`);
    }
  };
  t.same(faultsOf(agent), []);
  const rows: readonly (readonly [object, RegExp])[] = [
    [{ ...agent, uri: 'sip:10.0.0.9' }, /^peers\.bot\.uri must be left out with websocket/], [{ ...agent, sources: ['10.0.0.9'] }, /^peers\.bot\.sources is not used/],
    [{ ...agent, sampleRate: 16_000 }, /^peers\.bot\.sampleRate must be 8000 with dialect: twilio/], [{ ...agent, dialect: 'raw', sampleRate: 11_025 }, /^peers\.bot\.sampleRate must be 8000, 16000 or 24000/],
    [{ ...agent, websocket: 'https://agent.example.net/' }, /begins with wss:\/\/ or ws:\/\//], [{ ...agent, websocket: 'wss://us:pa55@agent.example.net/' }, /without a user/],
    [{ ...agent, headers: { Host: 'x' } }, /the key must be the name of a header field/], [{ ...agent, headers: { 'X-A': 'a\nb' } }, /must be printable/], [{ ...agent, tls: { clientCert: 'c.pem' } }, /clientCert and clientKey go together/],
    [{ ...agent, headers: { authorization: 'Bearer x' }, auth: { username: 'a', password: 'b' } }, /one of the two/],
    [{ ...agent, websocket: 'ws://198.51.100.7/' }, /^peers\.bot\.websocket has no TLS/], [{ ...agent, websocket: 'ws://[2001:db8::7]:9000/' }, /^peers\.bot\.websocket has no TLS/],
    [{ ...pbx, headers: { 'X-A': 'b' } }, /^peers\.bot\.headers needs websocket/], [{ pstn: 'none' }, /^peers\.bot\.uri is required/],
  ];
  for (const [bot, wanted] of rows) {
    const faults = faultsOf(bot);
    t.match(faults.find((fault) => wanted.test(fault)) ?? faults.join('\n'), wanted);
    t.notMatch(faults.join('\n'), /pa55/);
  }
  const hash = (headers: object): string => configOf({ peers: { bot: { ...agent, headers } }, routes }).hash;
  t.equal(hash({ Authorization: 'Bearer one' }), hash({ Authorization: 'Bearer two' }));
});

t.test('what is open to others on the way is warned of', async (t) => {
  const of = (bot: object): string[] => openSockets(parseConfig(stringify({
    domain: 'sbc.example.net', sip: { tls: { cert: 'c', key: 'k' } }, numbers: { [number]: { password: 'x' } }, peers: { bot: { ...agent, ...bot } }, routes,
  }), { env: {}, path: 'test' })).map(({ path }) => path);
  t.same([of({}), of({ websocket: 'ws://127.0.0.1:9000/' }), of({ websocket: 'ws://[::1]:9000/' }), of({ websocket: 'ws://10.0.0.9/' }), of({ tls: { verify: false } })], [[], [], [], ['peers.bot.websocket'], ['peers.bot.tls.verify']]);
});
