// Recordings sent away: by PUT, to where a template or a presigner says, again until they are taken, by the next process too.
import t, { type Test } from 'tap';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { RecordingStore, sidecarOf } from '../../../lib/voice/recording/store.js';
import { Uploader, type UploadConfig } from '../../../lib/voice/recording/uploader.js';

interface Put { readonly method: string; readonly url: string; readonly headers: IncomingMessage['headers']; readonly body: Buffer }

/** A store that takes what `answer` lets it, else gives its status. */
async function serve(t: Test, answer: (put: Put, response: ServerResponse) => void): Promise<{ url: string; puts: Put[]; until: (count: number) => Promise<void> }> {
  const puts: Put[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part)).on('end', () => {
      const put = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body: Buffer.concat(parts) };
      puts.push(put);
      answer(put, response);
      server.emit('put');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => { server.closeAllConnections(); server.close(); });
  const until = async (count: number): Promise<void> => { while (puts.length < count) await once(server, 'put'); };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, puts, until };
}

function stored(folder: string, bytes = 300_000): { store: RecordingStore; file: string; id: string } {
  const id = randomUUID();
  const file = `2026-11-30/${id}.ogg`;
  mkdirSync(join(folder, '2026-11-30'), { recursive: true });
  writeFileSync(join(folder, file), Buffer.alloc(bytes, 7));
  writeFileSync(join(folder, sidecarOf(file)), '{"file":"x"}');
  return { store: new RecordingStore(folder), file, id };
}

const config = (more: Partial<UploadConfig>): UploadConfig => ({ url: null, presign: null, authorization: null, keepLocal: true, ...more });

function uploader(t: Test, store: RecordingStore, to: UploadConfig): { uploader: Uploader; done: (outcome: string, count?: number) => Promise<void>; outcomes: string[] } {
  const outcomes: string[] = [];
  let wake: () => void = () => undefined;
  const made = new Uploader({ store, config: () => to, log: pino({ level: 'silent' }), pauses: [20, 40], onOutcome: (outcome) => { outcomes.push(outcome); wake(); } });
  t.teardown(() => made.close());
  const done = async (outcome: string, count = 1): Promise<void> => {
    while (outcomes.filter((one) => one === outcome).length < count) await new Promise<void>((resolve) => { wake = resolve; });
  };
  return { uploader: made, done, outcomes };
}

t.test('the recording, then its sidecar, with type, length and authorization; then it is no longer kept here', async (t) => {
  const { store, file, id } = stored(t.testdir());
  const { url, puts } = await serve(t, (_, response) => response.writeHead(201).end('thank you'));
  const { uploader: up, done } = uploader(t, store, config({ url: `${url}/calls/{date}/{call}/{name}?a={name}`, authorization: 'Bearer x', keepLocal: false }));
  await up.add(file);
  await done('uploaded');
  t.same(puts.map((put) => [put.method, put.url]), [['PUT', `/calls/2026-11-30/${id}/${id}.ogg?a=${id}.ogg`], ['PUT', `/calls/2026-11-30/${id}/${id}.json?a=${id}.json`]]);
  t.match(puts[0]?.headers, { 'content-length': '300000', 'content-type': 'audio/ogg', authorization: 'Bearer x', 'transfer-encoding': undefined });
  t.match(puts[1]?.headers, { 'content-type': 'application/json' });
  t.ok(puts[0]?.body.equals(Buffer.alloc(300_000, 7)));
  t.same([existsSync(store.path(file)), existsSync(store.path(sidecarOf(file))), readdirSync(join(store.directory, '.upload'))], [false, false, []]);
  t.equal(up.waiting, 0);
});

t.test('refused, cut off, or nobody there: again, and kept here until then', async (t) => {
  const { store, file } = stored(t.testdir());
  let asked = 0;
  const { url, puts } = await serve(t, (_, response) => {
    asked += 1;
    if (asked === 1) response.writeHead(503).end();
    else if (asked === 2) response.destroy();
    else response.writeHead(200).end();
  });
  const { uploader: up, done, outcomes } = uploader(t, store, config({ url: `${url}/{name}` }));
  await up.add(file);
  t.equal(up.waiting, 1);
  await done('uploaded');
  t.same([outcomes, puts.length], [['failed', 'failed', 'uploaded'], 4]);
  t.ok(existsSync(store.path(file)), 'keepLocal');
  const nobody = uploader(t, store, config({ url: 'http://127.0.0.1:1/{name}' }));
  await nobody.uploader.add(file);
  await nobody.done('failed', 3);
  t.same(readdirSync(join(store.directory, '.upload')).length, 1);
});

t.test('the next process goes on; one that was removed meanwhile is forgotten', async (t) => {
  const { store, file } = stored(t.testdir());
  const gone = stored(store.directory).file;
  for (const one of [file, gone, '../../etc/passwd']) await store.wantUpload(one);
  rmSync(store.path(gone));
  const { url, puts } = await serve(t, (_, response) => response.writeHead(200).end());
  const { uploader: up, done } = uploader(t, store, config({ url: `${url}/{name}` }));
  await up.resume();
  await done('uploaded');
  while (up.waiting > 0) await new Promise((resolve) => { setImmediate(resolve); });
  t.equal(puts.length, 2);
  t.same(readdirSync(join(store.directory, '.upload')), ['passwd.todo'], 'what names none of ours is never read');
});

t.test('presigned: each file is asked for, and put where the answer says, with its headers', async (t) => {
  const { store, file, id } = stored(t.testdir());
  const bucket = await serve(t, (_, response) => response.writeHead(200).end());
  const answers: string[] = [JSON.stringify({ url: 5 }), 'no JSON', JSON.stringify({ url: 'file:///etc/passwd' })];
  const hook = await serve(t, ({ body }, response) => {
    const { name } = JSON.parse(body.toString()) as { name: string };
    response.writeHead(200).end(answers.shift() ?? JSON.stringify({ url: `${bucket.url}/b/${name}?X-Amz-Signature=1`, headers: { 'X-Amz-Meta': 'm' } }));
  });
  const { uploader: up, done } = uploader(t, store, config({ presign: hook.url, authorization: 'Bearer hook' }));
  await up.add(file);
  await done('uploaded');
  t.same(JSON.parse(hook.puts.at(-2)?.body.toString() ?? ''), { name: `${id}.ogg`, date: '2026-11-30', call: id, contentType: 'audio/ogg' });
  t.equal(hook.puts[0]?.headers.authorization, 'Bearer hook');
  t.same(bucket.puts.map(({ url }) => url), [`/b/${id}.ogg?X-Amz-Signature=1`, `/b/${id}.json?X-Amz-Signature=1`]);
  t.match(bucket.puts[0]?.headers, { 'x-amz-meta': 'm', authorization: undefined });
});
