import t from 'tap';
import { compilePolicy, formatPolicyFault, prove } from '../../../lib/policy/index.js';
import { configOf, house, number } from './configuration.js';

const peer = (port: number, more: object = {}): object => ({ uri: `sip:10.0.0.7:${port}`, pstn: 'none', users: ['6[0-9]{3}'], ...more });
const route = (to: readonly (readonly [string, string])[], more: object = {}): object => ({ name: 'main', number, to: to.map(([name, user]) => ({ peer: name, user })), ...more });

const faultsOf = (tree: Record<string, unknown>) => prove(compilePolicy(configOf(tree))).faults;

t.test('a configuration without a leak: what was looked at', async (t) => {
  const { faults, targets, transfers, peers, listedNumbers, probes } = prove(compilePolicy(house));
  t.same(faults, []);
  t.match({ targets, peers, listedNumbers }, { targets: 3, peers: 4, listedNumbers: 2 });
  t.equal(transfers, 5, 'each of the four to itself, and the PBX to the phones');
  t.ok(probes > 50);
});

t.test('each kind of leak, its key path and the way there', async (t) => {
  const gw = { uri: 'sip:10.0.0.9', sources: ['10.0.0.9'], users: ['6[0-9]{3}'] };
  const hours = { office: { timezone: 'Europe/London', week: { 'mon-fri': ['09:00-17:00'] } } };
  const start = [`number ${number}`, 'route main'];
  const rows: readonly (readonly [what: string, tree: Record<string, unknown>, path: string, message: RegExp, steps: readonly string[]])[] = [
    ['a route to a peer nobody vouched for', { peers: { gw }, routes: [route([['gw', '6001']])] }, 'routes[0].to[0]', /target\.gateway: .*pstn is not none but unknown/, [...start, '6001 at peer gw']],
    ['fail-over to one', { peers: { pbx: peer(1), gw }, routes: [route([['pbx', '6001'], ['gw', '6001']])] }, 'routes[0].to[1]', /target\.gateway/, [...start, 'fail-over', '6001 at peer gw']],
    ['a number as a target', { peers: { pbx: peer(1) }, routes: [route([['pbx', '+12025550123']])] }, 'routes[0].to[0]', /target\.number/, [...start, '+12025550123 at peer pbx']],
    ['a target that is nobody', { peers: { pbx: peer(1) }, routes: [route([['pbx', 'anna']])] }, 'routes[0].to[0]', /target\.user/, [...start, 'anna at peer pbx']],
    ['a pattern that holds numbers', { peers: { pbx: peer(1, { users: ['6001', '[0-9]+'] }) }, routes: [route([['pbx', '6001']])] }, 'peers.pbx.users[1]', /could match the telephone number/, [...start, 'peer pbx', 'telephone number 00']],
    ['the same where only a transfer leads', { peers: { pbx: peer(1, { mayTransferTo: ['desk'] }), desk: peer(2, { users: ['.*'] }) }, routes: [route([['pbx', '6001']])] }, 'peers.desk.users[0]', /could match/, [...start, 'peer pbx', 'transfer or redirection to peer desk', 'telephone number 00']],
    ['the same where nothing leads yet', { peers: { pbx: peer(1), spare: peer(2, { users: ['.*'] }) }, routes: [] }, 'peers.spare.users[0]', /could match/, ['peer spare', 'telephone number 00']],
    ['a transfer right to a gateway', { peers: { pbx: peer(1, { mayTransferTo: ['gw'] }), gw }, routes: [route([['pbx', '6001']])] }, 'peers.pbx.mayTransferTo[0]', /may send calls to peer gw/, [...start, 'peer pbx', 'transfer or redirection to peer gw']],
    ['two transfers away', { peers: { pbx: peer(1, { mayTransferTo: ['desk'] }), desk: peer(2, { mayTransferTo: ['gw'] }), gw }, routes: [route([['pbx', '6001']])] }, 'peers.desk.mayTransferTo[0]', /may send calls to peer gw/, [...start, 'peer pbx', 'transfer or redirection to peer desk', 'transfer or redirection to peer gw']],
    ['a transfer right of a peer that only calls', { peers: { pbx: peer(1, { sources: ['10.0.0.7'], mayCall: [number], mayTransferTo: ['gw'] }), gw }, routes: [] }, 'peers.pbx.mayTransferTo[0]', /may send calls to peer gw/, [`number ${number}`, 'call of peer pbx', 'transfer or redirection to peer gw']],
    ['a gateway that may call', { peers: { gw: { ...gw, mayCall: [number] } }, routes: [] }, 'peers.gw.mayCall', /may call WhatsApp users/, ['telephone network', 'peer gw', `number ${number}`, 'WhatsApp user']],
    ['outside the hours', { peers: { pbx: peer(1), gw }, hours, routes: [route([['pbx', '6001']], { hours: 'office', closed: { to: [{ peer: 'gw', user: '6001' }] } })] }, 'routes[0].closed.to[0]', /target\.gateway/, [...start, 'outside hours office', '6001 at peer gw']],
    ['where nobody answers', { peers: { pbx: peer(1), gw }, routes: [route([['pbx', '6001']], { unanswered: { to: [{ peer: 'pbx', user: '6001' }, { peer: 'gw', user: '6001' }] } })] }, 'routes[0].unanswered.to[1]', /target\.gateway/, [...start, 'unanswered', 'fail-over', '6001 at peer gw']],
    ['a key of a menu', { peers: { pbx: peer(1), gw }, menus: { main: { prompt: 'm.wav', keys: { 1: { to: [{ peer: 'pbx', user: '6001' }] }, 9: { to: [{ peer: 'gw', user: '6001' }] } } } }, routes: [{ name: 'main', number, menu: 'main' }] }, 'menus.main.keys.9.to[0]', /target\.gateway/, [...start, 'menu main', 'key 9', '6001 at peer gw']],
    ['who makes no choice in a menu of a menu behind closed hours', { peers: { pbx: peer(1), gw }, hours, menus: { main: { prompt: 'm.wav', keys: { 1: { menu: 'more' }, 2: { menu: 'main' } } }, more: { prompt: 'm.wav', keys: { '#': { menu: 'main' } }, otherwise: { to: [{ peer: 'pbx', user: '+12025550123' }] } } }, routes: [route([['pbx', '6001']], { hours: 'office', closed: { menu: 'main' } })] }, 'menus.more.otherwise.to[0]', /target\.number/, [...start, 'outside hours office', 'menu main', 'key 1', 'menu more', 'no choice', '+12025550123 at peer pbx']],
    ['a transfer right of a peer behind a key', { peers: { pbx: peer(1, { mayTransferTo: ['gw'] }), gw }, menus: { main: { prompt: 'm.wav', keys: { 1: { to: [{ peer: 'pbx', user: '6001' }] } } } }, routes: [{ name: 'main', number, menu: 'main' }] }, 'peers.pbx.mayTransferTo[0]', /may send calls to peer gw/, [...start, 'menu main', 'key 1', 'peer pbx', 'transfer or redirection to peer gw']],
    ['one of those who take calls of a queue', { peers: { pbx: peer(1), gw }, queues: { q: { to: [{ peer: 'pbx', user: '6001' }, { peer: 'gw', user: '6001' }] } }, routes: [{ name: 'main', number, queue: 'q' }] }, 'queues.q.to[1]', /target\.gateway/, [...start, 'queue q', 'fail-over', '6001 at peer gw']],
    ['a key that leaves a queue behind a menu', { peers: { pbx: peer(1), gw }, menus: { main: { prompt: 'm.wav', keys: { 1: { queue: 'q' } } } }, queues: { q: { to: [{ peer: 'pbx', user: '6001' }], keys: { '*': { to: [{ peer: 'gw', user: '6001' }] } } } }, routes: [{ name: 'main', number, menu: 'main' }] }, 'queues.q.keys.*.to[0]', /target\.gateway/, [...start, 'menu main', 'key 1', 'queue q', 'key *', '6001 at peer gw']],
    ['who has waited too long', { peers: { pbx: peer(1), gw }, queues: { q: { to: [{ peer: 'pbx', user: '6001' }], otherwise: { to: [{ peer: 'gw', user: '6001' }] } } }, routes: [{ name: 'main', number, queue: 'q' }] }, 'queues.q.otherwise.to[0]', /target\.gateway/, [...start, 'queue q', 'waited too long', '6001 at peer gw']],
    ['who finds a queue full', { peers: { pbx: peer(1), gw }, queues: { q: { to: [{ peer: 'pbx', user: '6001' }], full: { to: [{ peer: 'gw', user: '6001' }] } } }, routes: [route([['pbx', '6001']], { unanswered: { queue: 'q' } })] }, 'queues.q.full.to[0]', /target\.gateway/, [...start, 'unanswered', 'queue q', 'queue full', '6001 at peer gw']],
    ["a peer at a carrier's host", { peers: { pbx: peer(1, { uri: 'sip:pbx.carrier.example' }) }, routes: [route([['pbx', '6001']])], policy: { carriers: ['carrier.example'] } }, 'peers.pbx.uri', /is a carrier's/, [...start, 'peer pbx']],
    ["a peer in a carrier's network", { peers: { pbx: peer(1) }, routes: [route([['pbx', '6001']])], policy: { carriers: ['10.0.0.0/8'] } }, 'peers.pbx.uri', /is a carrier's/, [...start, 'peer pbx']],
    ['a peer that is Meta', { peers: { pbx: peer(1, { uri: 'sip:wa.meta.vc;transport=tls' }) }, routes: [route([['pbx', '6001']])] }, 'peers.pbx.uri', /is Meta's/, [...start, 'peer pbx']],
    ["a peer in Meta's network", { peers: { pbx: peer(1, { uri: 'sip:57.144.67.157' }) }, routes: [route([['pbx', '6001']])] }, 'peers.pbx.uri', /is Meta's/, [...start, 'peer pbx']],
    ['a peer that is ENUM', { peers: { pbx: peer(1, { uri: 'sip:3.2.1.0.5.5.5.2.0.2.1.e164.arpa' }) }, routes: [route([['pbx', '6001']])] }, 'peers.pbx.uri', /stands for a telephone number/, [...start, 'peer pbx']],
    ['a peer that is this service', { sip: { listen: ['udp:10.0.0.4:5060'] }, peers: { pbx: peer(1, { uri: 'sip:10.0.0.4' }) }, routes: [route([['pbx', '6001']])] }, 'peers.pbx.uri', /is this service/, [...start, 'peer pbx']],
    ['a vouched-for peer at the socket of a gateway', { peers: { pbx: peer(5060), gw: { ...gw, uri: 'sip:10.0.0.7' } }, routes: [route([['pbx', '6001']])] }, 'peers.pbx.uri', /peer gw, .* is at the same address and port/, [...start, 'peer pbx']],
  ];
  for (const [what, tree, path, message, steps] of rows) {
    const found = faultsOf(tree);
    const fault = found.find((one) => one.path === path && message.test(one.message));
    t.ok(fault, `${what}: ${JSON.stringify(found)}`);
    t.same(fault?.steps, steps, what);
    t.match(formatPolicyFault(fault!), `path: ${steps.join(' -> ')}`);
  }
});

t.test('what is no leak', async (t) => {
  const rows: readonly (readonly [what: string, tree: Record<string, unknown>])[] = [
    ['a gateway that nothing leads to', { peers: { pbx: peer(1), gw: { uri: 'sip:10.0.0.9', users: ['6001'] } }, routes: [route([['pbx', '6001']])] }],
    ['numbers that are listed', { peers: { pbx: peer(1, { users: ['+442079460000', '112'] }) }, routes: [route([['pbx', '112']])] }],
    ['two systems behind one SBC', { peers: { a: peer(5060), b: peer(5060, { users: ['7[0-9]{3}'] }) }, routes: [route([['a', '6001'], ['b', '7001']])] }],
    ['peers that may send calls to each other', { peers: { a: peer(1, { mayTransferTo: ['b'] }), b: peer(2, { mayTransferTo: ['a'] }) }, routes: [route([['a', '6001']])] }],
    ['a gateway on the same host', { peers: { pbx: peer(5060), gw: { uri: 'sip:10.0.0.7:5080', users: ['6001'] } }, routes: [route([['pbx', '6001']])] }],
    ['registered softphones', { peers: { phones: { register: true, pstn: 'none', accounts: { 6001: { password: 'x' }, anna: { password: 'y' } } } }, routes: [route([['phones', '6001'], ['phones', 'anna']])] }],
    ['a menu that leads to itself', { peers: { pbx: peer(1) }, menus: { main: { prompt: 'm.wav', keys: { 1: { menu: 'main' } }, otherwise: { to: [{ peer: 'pbx', user: '6001' }] } } }, routes: [{ name: 'main', number, menu: 'main', unanswered: { menu: 'main' } }] }],
    ['a gateway behind a key of a menu that no route leads to', { peers: { pbx: peer(1), gw: { uri: 'sip:10.0.0.9', users: ['6001'] } }, menus: { spare: { prompt: 'm.wav', keys: { 1: { to: [{ peer: 'gw', user: '6001' }] } } } }, routes: [route([['pbx', '6001']])] }],
    ['no peers at all', {}],
  ];
  for (const [what, tree] of rows) t.same(faultsOf(tree), [], what);
});
