// docs/guides/api.md and the trial of docs/guides/permissions.md, done as they are written: quickstart stays, its API is listened to, a click-to-call is placed and steered by curl; the receiver of webhooks is the page's own.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import t from 'tap';
import type * as Tap from 'tap';
import { parseConfig } from '../../../lib/config/load.js';
import { ApiClient, apiKeys, tokens } from '../../helpers/apiClient.js';
import { runnable } from '../../helpers/runnable.js';
import { number } from '../../helpers/service.js';
import { openStage } from '../harness.js';

const root = new URL('../../../', import.meta.url);
const pages = { api: readFileSync(new URL('docs/guides/api.md', root), 'utf8'), permissions: readFileSync(new URL('docs/guides/permissions.md', root), 'utf8') };
const loader = new URL('../../helpers/loader.js', import.meta.url).href;

/** Blocks of a section, without the indent of the list that they stand in. */
function blocks(section: string, language: string, page: keyof typeof pages = 'api'): string[] {
  const text = pages[page].split(/^## /m).find((part) => part.startsWith(section)) ?? '';
  return [...text.matchAll(new RegExp(`^( *)\`\`\`${language}\\n([^]*?)^ *\`\`\``, 'gm'))].map(([, indent = '', code = '']) => code.replaceAll(new RegExp(`^${indent}`, 'gm'), ''));
}

/** Resolves once what it writes has this in it; throws when it ends before. */
async function says(child: ChildProcess, seen: RegExp): Promise<string> {
  let output = '';
  child.stdout?.on('data', (data: Buffer) => { output += data.toString(); });
  while (!seen.test(output)) {
    if (child.exitCode !== null) throw new Error(`it has ended: ${output}`);
    await Promise.race([once(child.stdout ?? child, 'data'), once(child, 'close')]);
  }
  return output;
}

/** A folder in which npx finds our package: starts what the page says, and stops it at the end. `run`: what a command says, and that its exit status is 0. */
function folder(t: Tap.Test, start: string) {
  const cwd = t.testdir();
  const bin = join(cwd, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'npx'), `#!/bin/sh\n[ "$1" = wa-b2bua ] && shift && exec '${process.execPath}' '--import=${loader}' '${resolve(runnable('lib/cli/main.ts'))}' "$@"\n`, { mode: 0o755 });
  const options = { cwd, env: { ...process.env, PATH: `${bin}:${process.env['PATH']}` } };
  const shell = (script: string): ChildProcess => spawn('bash', ['-ec', script], { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
  const quickstart = shell(`exec ${start.trim()}`);
  t.teardown(async () => {
    if (quickstart.exitCode !== null) return;
    quickstart.kill('SIGINT');
    await once(quickstart, 'close');
  });
  const run = (script: string): string => {
    const { status, stdout, stderr } = spawnSync('bash', ['-ec', script], { ...options, encoding: 'utf8' });
    t.equal(status, 0, stderr);
    return stdout;
  };
  return { quickstart, shell, run };
}

/** Its definitions alone: what a terminal keeps from one block to the next. */
const kept = (block: string): string => block.split('\n').filter((line) => /^(\. |\w+=|api\(\))/.test(line)).join('\n');

t.test('in five minutes, with the stand-ins: each command as it is written', async (t) => {
  const [start = '', listen = '', place = '', steer = '', forbidden = ''] = blocks('In five minutes', 'sh');
  const [answered = ''] = blocks('In five minutes', 'json');
  const { quickstart, shell, run } = folder(t, start);
  t.match(await says(quickstart, /^click-to-call .*\n/m), /live page +http:\/\/127\.0\.0\.1:\d+\/\n/);
  const events = shell(listen.replace(/^curl/m, 'exec curl'));
  t.teardown(() => events.kill());
  await says(events, /here you are/);
  const placed = says(events, /"type":"call\.answered"[^\n]*"leg":"meta"/);
  t.match(run(place), /^\{"id":"[0-9a-f-]{36}"\}\n201\n$/);
  await placed;
  const ended = says(events, /call\.ended[^]*"reason":"hangup"/);
  const steered = run(`${kept(place)}\n${steer}`);
  t.match(steered, /"state":"answered"[^]*\n200\n204\n204\n204\n202\n[^]*INVITE 6002[^]*\n200\n204\n$/);
  t.match(await ended, /call\.held[^]*call\.resumed[^]*call\.transferred[^]*"to":"6002@pbx","status":200/);
  const refusal = run(`${kept(place)}\n${forbidden}`);
  t.match(refusal, /\n403\n$/);
  t.equal(refusal.replace(/[0-9a-f-]{36}/, '…').replace(/403\n$/, ''), answered, 'the page has what it answers');
});

t.test('permission, tried with the stand-ins: refused before, granted, and left to Meta', async (t) => {
  const [start = '', refused = '', granted = '', left = ''] = blocks('Tried with', 'sh', 'permissions');
  const { quickstart, run } = folder(t, start);
  await says(quickstart, /^click-to-call .*\n/m);
  t.match(run(refused), /^\{"error":\{"code":"permission\.none",[^]*"call":"[0-9a-f-]{36}"\}\}\n403\n$/);
  t.match(run(`${kept(refused)}\n${granted}`), /"request":"sent"[^]*\n200\n[^]*\{"id":"[0-9a-f-]{36}"\}\n201\n$/);
  t.match(run(`${kept(refused)}\n${left}`), /^\{"id":"[0-9a-f-]{36}"\}\n201\n"termination":\{"by":"meta","reason":"noPermission"[^\n]*"status":403/);
});

t.test('the configuration of one\'s own is good', async (t) => {
  const [own = ''] = blocks('The same in your own', 'yaml');
  const [told = ''] = blocks('Told instead of listening', 'yaml');
  const around = `domain: sbc.example.net\nsip: { listen: ["udp:127.0.0.1:5060"] }\nnumbers: { "${number}": { password: x } }\nroutes: [{ name: all, number: "${number}", to: [{ peer: pbx, user: "6001" }] }]\n`;
  const config = parseConfig(`${around}${own}${told}`, { env: { API_TOKEN: 'a-token-0123456789abc', EVENT_SECRET: 'a secret' }, path: 'api.md' });
  t.same(config.peers['pbx']?.mayCall, [number]);
});

t.test('the receiver of webhooks takes what is signed, once, and answers 401 to all else', async (t) => {
  const [code = ''] = blocks('Told instead of listening', 'js');
  const secret = 'a secret of ours';
  const file = join(t.testdir(), 'receiver.mjs');
  writeFileSync(file, code);
  const receiver = spawn(process.execPath, [file], { env: { ...process.env, EVENT_SECRET: secret, PORT: '0' }, stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => receiver.kill());
  const [, port = ''] = /listening on (\d+)/.exec(await says(receiver, /listening on \d+\n/)) ?? [];
  const url = `http://127.0.0.1:${port}/wa`;
  const stage = await openStage({ peers: { pbx: { answer: 'tone' } }, overlay: { api: apiKeys, events: { webhooks: [{ url, secret, types: ['call.*'], users: true }] } } });
  t.teardown(() => stage.close());
  const order = { number, user: '+447700900101', peer: 'pbx', peerUser: '6001' };
  const heard = says(receiver, /call\.ended .*\n/);
  // Without mayCall: refused, and told of.
  const { body } = await new ApiClient(stage.running.service.api, tokens.all).post('/v1/calls', order);
  t.match(await heard, new RegExp(`^call\\.created ${body.error.call} \\+447700900101 *\ncall\\.ended ${body.error.call} \\+447700900101 caller\\.noNumber\n$`));
  const event = JSON.stringify({ id: 'a-1', type: 'call.held', data: {} });
  const post = async (text: string, signature: string | null): Promise<number> => (await fetch(url, { method: 'POST', body: text, headers: signature === null ? {} : { 'x-wab-signature-256': signature } })).status;
  const right = `sha256=${createHmac('sha256', secret).update(event).digest('hex')}`;
  for (const [text, signature] of [[event, null], [event, 'sha256='], [event, right.replace(/.$/, (last) => (last === '0' ? '1' : '0'))], [`${event} `, right], ['', right]] as const) t.equal(await post(text, signature), 401, String(signature));
  const last = says(receiver, /call\.resumed/);
  t.equal(await post(event, right), 204);
  t.equal(await post(event, right), 204, 'taken again');
  const other = event.replace('a-1', 'a-2').replace('held', 'resumed');
  t.equal(await post(other, `sha256=${createHmac('sha256', secret).update(other).digest('hex')}`), 204);
  t.equal((await last).match(/call\.held/g)?.length, 1, 'and known by its id');
});
