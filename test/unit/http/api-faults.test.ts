// What goes wrong in the API for a reason of ours is said to be so, and told; who guesses tokens fills no log.
import t from 'tap';
import { pino } from 'pino';
import { EventBus } from '../../../lib/observe/events.js';
import { startApi } from '../../../lib/http/api/server.js';
import type { ApiSources } from '../../../lib/http/api/sources.js';
import { ApiClient } from '../../helpers/apiClient.js';

const token = 'reader-0123456789abc';

async function serve(t: { teardown(action: () => unknown): void }): Promise<{ client: ApiClient; faults: unknown[]; lines: string[]; url: string }> {
  const bus = new EventBus({ keep: 10, now: Date.now, business: () => new Set(), onFault: (error) => { throw error; } });
  const [faults, lines]: [unknown[], string[]] = [[], []];
  const sources = { version: '0', bus, records: null, calls: () => { throw new Error('boom'); }, numbers: () => [] } as unknown as ApiSources;
  const server = await startApi({
    listen: '127.0.0.1:0', tls: null, tokens: () => [{ name: 'reader', token, scopes: ['read'] }], log: pino({}, { write: (line: string) => { lines.push(line); } }), onFault: (error) => { faults.push(error); },
  }, sources);
  t.teardown(() => server.close());
  return { client: new ApiClient(server.address, token), faults, lines, url: `http://${server.address}` };
}

t.test('a failure of ours is answered 500, in no more words, and told; what others do wrong is none', async (t) => {
  const { client, faults } = await serve(t);
  const { status, body, text } = await client.get('/v1/calls');
  t.match([status, body], [500, { error: { code: 'fault' } }]);
  t.notMatch(text, /boom/);
  t.match(faults, [{ message: 'boom' }]);
  for (const path of ['/v1/nothing', '/v1/calls/1', '/v1/calls/%zz']) await client.get(path);
  t.equal((await client.get('/v1/numbers')).status, 200);
  t.equal(faults.length, 1);
});

t.test('of wrong tokens twenty in a minute are in the log', async (t) => {
  const { lines, url } = await serve(t);
  const guesses = await Promise.all(Array.from({ length: 60 }, async (_, n) => (await fetch(`${url}/v1/calls`, { headers: { authorization: `Bearer guess-${n}-0123456789` } })).status));
  t.same([...new Set(guesses)], [401]);
  t.equal(lines.filter((line) => line.includes('a wrong token')).length, 20);
});
