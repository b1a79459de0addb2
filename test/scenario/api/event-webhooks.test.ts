// events.webhooks on whole calls: signed, in order for each call, again with the same bytes, and no call notices a receiver that is dead.
import t from 'tap';
import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Told } from '../../helpers/apiClient.js';
import { openStage, pause } from '../harness.js';

interface Post { readonly body: string; readonly headers: IncomingHttpHeaders; readonly event: Told }

async function receiver(t: { teardown(action: () => unknown): void }, answer: (post: Post, index: number) => number): Promise<{ url: string; posts: Post[] }> {
  const posts: Post[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (data: Buffer) => chunks.push(data));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const post = { body, headers: request.headers, event: JSON.parse(body) as Told };
      posts.push(post);
      response.writeHead(answer(post, posts.length - 1)).end('thank you');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => { server.closeAllConnections(); server.close(); });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/in?key=1`, posts };
}

t.test('each receiver gets what it wants, signed with its secret, masked or in full, again with the same id and bytes', async (t) => {
  // Refuses each event once.
  const seen = new Set<string>();
  const crm = await receiver(t, ({ event: { id } }) => {
    if (seen.has(id)) return 200;
    seen.add(id);
    return 503;
  });
  const wall = await receiver(t, () => 204);
  const stage = await openStage({
    overlay: {
      // No API: the webhooks alone make events.
      events: { webhooks: [
        { url: crm.url, secret: 'crm secret', types: ['call.created', 'call.ended'], users: true }, { url: wall.url, secret: 'wall secret' }, { url: 'http://127.0.0.1:9/nobody', secret: 'x', types: ['call.*'] },
      ] },
    },
  });
  t.teardown(() => stage.close());
  t.equal(stage.running.service.api, null);
  const report = await stage.call({ from: '+447700900101' }, 500);
  t.equal(report.status, 200);
  t.same(report.violations, []);
  const when = async (holds: () => boolean): Promise<void> => {
    for (let i = 0; i < 1000 && !holds(); i += 1) await pause(10);
  };
  await when(() => crm.posts.length === 4 && wall.posts.some(({ event }) => event.type === 'call.ended'));
  t.same(crm.posts.map(({ event }) => event.type), ['call.created', 'call.created', 'call.ended', 'call.ended'], 'in order, each again');
  t.equal(crm.posts[0]!.body, crm.posts[1]!.body, 'the same bytes');
  t.equal(crm.posts[0]!.headers['x-wab-signature-256'], crm.posts[1]!.headers['x-wab-signature-256']);
  for (const [{ posts }, secret] of [[crm, 'crm secret'], [wall, 'wall secret']] as const) {
    for (const { body, headers } of posts) {
      t.equal(headers['x-wab-signature-256'], `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`);
      t.match(headers, { 'content-type': 'application/json', 'user-agent': 'wa-b2bua' });
    }
  }
  t.equal(crm.posts[0]!.event.data.user, '+447700900101');
  t.ok(wall.posts.every(({ event }) => event.data.user === '+4477******01'));
  t.same(wall.posts.map(({ event: { type, data } }) => `${type} ${String(data.leg ?? '')}`.trim()), ['call.created', 'call.ringing peer', 'call.answered peer', 'call.answered meta', 'call.ended']);
  t.notOk(stage.running.log.some((line) => line.includes('secret') || line.includes('key=1')), 'neither secret nor query is in the log');
  t.ok(stage.running.log.some((line) => line.includes('http://127.0.0.1:9/nobody') && line.includes('cannot be delivered')));
  const metrics = await (await fetch(`http://${stage.running.service.http!}/metrics`)).text();
  t.match(metrics, /wab_event_webhooks_total\{outcome="delivered"\} 7/);
});

t.test('a receiver that is slow is told of the calls that a stop has ended', async (t) => {
  const posts: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (data: Buffer) => { body += data.toString('utf8'); });
    request.on('end', () => setTimeout(() => {
      posts.push((JSON.parse(body) as Told).type);
      response.writeHead(204).end();
    }, 700));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => { server.closeAllConnections(); server.close(); });
  const stage = await openStage({ overlay: { events: { webhooks: [{ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, secret: 'x', types: ['call.created', 'call.ended'] }] } } });
  t.teardown(() => stage.close());
  t.equal(await stage.user({ from: '+447700900101' }).place(), 200);
  await stage.running.service.close();
  t.same(posts, ['call.created', 'call.ended']);
});
