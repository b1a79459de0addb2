// traces.otlp on whole calls: each goes to a collector as one trace, whose id is the call's, and a collector that is away costs no call.
import t from 'tap';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { number } from '../helpers/service.js';
import { openStage, pause } from './harness.js';

interface Attribute { readonly key: string; readonly value: Readonly<Record<string, unknown>> }
interface Span {
  readonly traceId: string; readonly spanId: string; readonly parentSpanId?: string; readonly name: string; readonly kind: number; readonly startTimeUnixNano: string; readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[]; readonly status: { readonly code: number; readonly message?: string }; readonly events?: readonly { readonly name: string }[];
}
interface Scope { readonly scope: { readonly name: string; readonly version: string }; readonly spans: readonly Span[] }
interface Export { readonly resourceSpans: readonly { readonly resource: { readonly attributes: readonly Attribute[] }; readonly scopeSpans: readonly Scope[] }[] }

const valuesOf = (attributes: readonly Attribute[]): Record<string, unknown> => Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

t.test('a call that was answered, and one that the PBX refused while the collector was away', async (t) => {
  const spans: Span[] = [];
  const requests: { headers: IncomingHttpHeaders; body: Export }[] = [];
  let away = false;
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (data: string) => { text += data; }).on('end', () => {
      if (away) { request.socket.destroy(); return; }
      const body = JSON.parse(text) as Export;
      requests.push({ headers: request.headers, body });
      spans.push(...body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => { server.closeAllConnections(); server.close(); });
  const stage = await openStage({
    peers: { pbx: {}, broken: { answer: 'status=500' } },
    overlay: {
      traces: { otlp: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`, authorization: 'Bearer otlp-s3cret' },
      routes: [{ name: 'broken', number, payload: '^broken', to: [{ peer: 'broken', user: '6001' }] }, { name: 'all', number, to: [{ peer: 'pbx', user: '6001' }] }],
    },
  });
  t.teardown(() => stage.close());
  const came = async (calls: number): Promise<void> => {
    for (let i = 0; i < 1500 && spans.filter(({ name }) => name === 'call').length < calls; i += 1) await pause(10);
    t.equal(spans.filter(({ name }) => name === 'call').length, calls, `${calls} calls came`);
  };

  t.equal((await stage.call({ from: '+447700900101' }, 300)).status, 200);
  const [record] = await stage.running.records(1);
  await came(1);
  const traceId = String(record!.id).replaceAll('-', '');
  t.match(traceId, /^[0-9a-f]{32}$/);
  const byName = new Map(spans.map((span) => [span.name, span]));
  t.same([...byName.keys()], ['call', 'setup', 'ring', 'talk']);
  const root = byName.get('call')!;
  t.notOk(root.parentSpanId);
  t.same(root.status, { code: 0 });
  t.equal(root.kind, 2);
  for (const span of spans) {
    t.match(span, { traceId, spanId: /^[0-9a-f]{16}$/, startTimeUnixNano: /^1\d{18}$/, endTimeUnixNano: /^1\d{18}$/ });
    t.ok(BigInt(span.startTimeUnixNano) >= BigInt(root.startTimeUnixNano) && BigInt(span.endTimeUnixNano) <= BigInt(root.endTimeUnixNano) && BigInt(span.startTimeUnixNano) <= BigInt(span.endTimeUnixNano), `${span.name} lies in the call`);
    if (span !== root) t.equal(span.parentSpanId, root.spanId);
  }
  t.equal(new Set(spans.map(({ spanId }) => spanId)).size, spans.length);
  t.equal(byName.get('setup')!.endTimeUnixNano, byName.get('talk')!.startTimeUnixNano);
  t.match(valuesOf(root.attributes), { 'wab.call': record!.id, 'wab.direction': 'user-initiated', 'wab.user': '+4477******01', 'wab.by': 'user', 'wab.reason': 'hangup', 'wab.result': 'success', 'wab.status': '200' });
  t.match(valuesOf(byName.get('ring')!.attributes), { 'wab.leg': 'peer', 'wab.peer': 'pbx' });
  t.match(valuesOf(requests[0]!.body.resourceSpans[0]!.resource.attributes), { 'service.name': 'wa-b2bua', 'service.version': /^\d+\.\d+\.\d+/ });
  t.match(requests[0]!.headers, { 'content-type': 'application/json', authorization: 'Bearer otlp-s3cret' });
  t.notOk(JSON.stringify(requests).includes('+447700900101'), 'the user is masked');

  away = true;
  t.not((await stage.call({ payload: 'broken' }, 100)).status, 200);
  for (let i = 0; i < 1000 && !stage.running.log.some((line) => line.includes('traces cannot be delivered')); i += 1) await pause(10);
  t.ok(stage.running.log.some((line) => line.includes('traces cannot be delivered')), 'the log says that the collector is away');
  away = false;
  await came(2);
  const failed = spans.filter(({ name }) => name === 'call')[1]!;
  t.equal(failed.status.code, 2);
  t.match(failed.status.message, /^peer /);
  t.notOk(stage.running.log.some((line) => line.includes('otlp-s3cret')));
  const metrics = await (await fetch(`http://${stage.running.service.http!}/metrics`)).text();
  t.match(metrics, /wab_trace_posts_total\{outcome="delivered"\} 2/);
});
