// Attack L1: a description may name any address and port, and RTP was sent there.
import t from 'tap';
import { objectsToPlace, type MediaPlaces } from '../../../lib/sdp/place.js';

const site: MediaPlaces = {
  own: ['10.0.0.4', '203.0.113.4'], ownPorts: [40_000, 40_100], networks: [],
  listens: (address, port) => address === '10.0.0.4' && port === 5060,
};

t.test('places that no media goes to', async (t) => {
  for (const [address, port, why] of [
    ['127.0.0.1', 4000, /loopback/], ['::1', 4000, /loopback/], ['::ffff:127.0.0.1', 4000, /loopback/], ['127.8.8.8', 4000, /loopback/],
    ['255.255.255.255', 4000, /broadcast/], ['224.0.0.1', 4000, /multicast/], ['239.255.1.1', 4000, /multicast/], ['ff02::1', 4000, /multicast/], ['::ffff:224.0.0.1', 4000, /multicast/],
    ['169.254.169.254', 4000, /link-local/], ['fe80::1', 4000, /link-local/], ['0.0.0.0', 4000, /no address/], ['::', 4000, /no address/], ['240.0.0.1', 4000, /reserved/],
    ['10.0.0.7', 53, /port/], ['10.0.0.7', 1023, /port/], ['10.0.0.4', 5060, /SIP/], ['::ffff:10.0.0.4', 5060, /SIP/],
    ['10.0.0.4', 40_000, /media/], ['10.0.0.4', 40_100, /media/], ['203.0.113.4', 40_050, /media/], ['pbx.example.net', 4000, /address/],
  ] as const) t.match(objectsToPlace(site, address, port), why, `${address}:${port}`);
});

t.test('places that media goes to', async (t) => {
  for (const [address, port] of [
    ['10.0.0.7', 4000], ['192.168.1.9', 16_384], ['198.51.100.7', 65_535], ['2001:db8::7', 4000], ['fd00::7', 4000], ['100.64.1.1', 4000],
    ['10.0.0.7', 9], ['10.0.0.7', 40_050], ['10.0.0.4', 40_101], ['10.0.0.4', 5062],
  ] as const) t.equal(objectsToPlace(site, address, port), null, `${address}:${port}`);
});

t.test('beside media of our own on loopback, loopback is good', async (t) => {
  const bench = { ...site, own: ['127.0.0.1'] };
  t.equal(objectsToPlace(bench, '127.0.0.3', 4000), null);
  t.equal(objectsToPlace(bench, '::1', 4000), null);
  t.equal(objectsToPlace(bench, '127.0.0.1', 40_010), null, 'where everything is on one address its free ports are anybody\'s');
  t.match(objectsToPlace(bench, '169.254.1.1', 4000), /link-local/);
});

t.test('networks of the operator', async (t) => {
  const narrow = { ...site, networks: ['10.0.0.0/28', '2001:db8::/64', '198.51.100.9'] };
  t.equal(objectsToPlace(narrow, '10.0.0.7', 4000), null);
  t.equal(objectsToPlace(narrow, '2001:db8::1', 4000), null);
  t.equal(objectsToPlace(narrow, '198.51.100.9', 4000), null);
  t.equal(objectsToPlace({ ...site, networks: ['127.0.0.0/8'] }, '127.0.0.1', 4000), null, 'the word of the operator goes before what is seldom meant');
  t.match(objectsToPlace({ ...site, networks: ['224.0.0.0/4'] }, '224.0.0.1', 4000), /multicast/, 'but not before what never is');
  t.match(objectsToPlace(narrow, '10.0.0.16', 4000), /networks/);
  t.match(objectsToPlace(narrow, '198.51.100.8', 4000), /networks/);
});
