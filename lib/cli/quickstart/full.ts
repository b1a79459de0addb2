// The whole way of a number on loopback: set up at Meta, permission asked and given, calls in both directions, webhooks.
import { readFileSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { SimulatedGraph } from '../../simulator/index.js';
import { businessCalls, freePort, heard, refusedCall, user, userCalls, type Stage } from './calls.js';
import { runCommand } from './command.js';
import { needStandIns, openPbx, startBoth, tellLog } from './demonstration.js';
import { numbers, type FullConfiguration, type Place } from './place.js';
import { heading, say } from './show.js';

/** How long something that a webhook tells may take, in milliseconds. */
const NEWS_TIME = 10_000;
const number = numbers.sdes;

type Ending = (() => Promise<void>)[];
/** What there is before the stand-in of the Graph API. */
type Given = Omit<FullConfiguration, 'graph'>;

/**
 * Starts everything, adding to `ending` how each of it is ended, and goes through the steps, each of which is to work. Gives what then runs, null when a
 * step did not. `stay`: it is to run on, with the API.
 */
export async function demonstrateAll(place: Place, ending: Ending, stay: boolean): Promise<Stage | null> {
  const standIns = await needStandIns();
  const webhookPort = await freePort();
  const full: Given = { id: '100000000000001', waba: '100000000000002', app: '100000000000009', token: 'EAAdemoToken', appSecret: 'demo-app-secret', verifyToken: 'demo-verify-token', webhookPort };
  const graph = await standIns.startGraph({
    numbers: [{ number, id: full.id, waba: full.waba }], tokens: { [full.token]: full.app }, subscribed: false, webhooks: { url: `http://127.0.0.1:${webhookPort}/meta`, secret: full.appSecret },
  });
  ending.push(() => graph.close());
  const checked = await openPbx(place, standIns, ending, stay, { ...full, graph: graph.url });
  if (checked === null || !await setUp(place, graph, ending)) return failed();
  const stage = await startBoth(place, standIns, ending, { ...checked, graph });
  say(`               Meta's Graph API on ${graph.url}`);
  const { service } = stage;
  const ok = await Promise.race([steps(stage, graph, full, ending), service.lost]);
  tellLog(service, ok);
  if (!ok) return failed();
  say('\nAll seven steps worked: set up at Meta, webhooks taken, no call without permission, and calls with audio both ways.');
  return stage;
}

function failed(): null {
  say('\nNot every step worked.');
  return null;
}

/** Step 1, before the service runs: it has no password yet. */
async function setUp(place: Place, graph: SimulatedGraph, ending: Ending): Promise<boolean> {
  heading(`1. wa-b2bua provision apply: ${number} is set up at Meta`);
  const { status, output } = await runCommand(ending, 'provision', 'apply', '-c', place.config);
  say(output);
  if (status !== 0) return false;
  const theirs = (await graph.calls.number(number))?.password;
  const isOurs = theirs !== undefined && readFileSync(place.password, 'utf8').trim() === theirs && !output.includes(theirs);
  const mode = (statSync(place.password).mode & 0o777).toString(8);
  return told(isOurs && mode === '600', `The SIP password that Meta made is in ${place.password}, mode ${mode}, and was not shown.`);
}

async function steps(stage: Stage, graph: SimulatedGraph, configured: Given, ending: Ending): Promise<boolean> {
  const { place, service, meta } = stage;
  heading('2. Meta verifies the address of the webhooks');
  if (!told(await verifyCallback(graph, configured), 'It was asked with the verify token, and said the challenge back.')) return false;

  const refused = await refusedCall(stage, { number, keying: 'sdes', title: `3. The PBX calls ${user}, who has not permitted calls` });
  const word = /^X-WA-Permission: *(.*)$/im.exec(refused.message)?.[1] ?? 'nothing';
  if (!told(refused.status === 403 && meta.attempts.length === 0, `The PBX got ${refused.status} ${refused.reason}, X-WA-Permission: ${word}; nothing was sent to Meta.`)) return false;

  heading('4. wa-b2bua permission request: the user is asked, and accepts');
  const asked = await runCommand(ending, 'permission', 'request', '-c', place.config, '--number', number, '--user', user);
  say(asked.output);
  if (asked.status !== 0) return false;
  graph.answer(number, user, 'accept');
  const news = await until(() => service.log.find((line) => line.includes('the user may be called')));
  if (!told(news !== undefined, `Meta told the answer by webhook. The service's log: ${news ?? 'nothing'}`)) return false;

  const called = { number, keying: 'sdes', title: '5. The PBX calls the user again' } as const;
  const withWacid = (record: { readonly wacid: string | null } | undefined): boolean => told(typeof record?.wacid === 'string', `Meta's id of the call, told by webhook, is in the record: ${record?.wacid ?? 'none'}`);
  if (!await heard((seconds) => businessCalls(stage, called, seconds, withWacid))) return false;

  const calling = { number, keying: 'sdes', title: `6. A WhatsApp user calls ${number}, the PBX echoes` } as const;
  if (!await heard((seconds) => userCalls(stage, calling, seconds))) return false;

  heading('7. Webhooks that Meta sent, and what they were answered with');
  const all = await until(() => (webhooks(graph).filter((line) => line.startsWith('terminate')).length >= 2 ? webhooks(graph) : undefined)) ?? webhooks(graph);
  say(all.join('\n'));
  return told(['permission reply', 'call_created', 'terminate'].every((what) => all.some((line) => line.startsWith(what) && line.endsWith(' 200'))), 'Each was signed, taken and answered with 200.');
}

/** As the app's dashboard does it: POST /{APP_ID}/subscriptions has Meta ask for the challenge. */
async function verifyCallback(graph: SimulatedGraph, { app, token, verifyToken, webhookPort }: Given): Promise<boolean> {
  const response = await fetch(`${graph.url}/v25.0/${app}/subscriptions`, {
    method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ object: 'whatsapp_business_account', callback_url: `http://127.0.0.1:${webhookPort}/meta`, verify_token: verifyToken, fields: 'calls,messages,account_update,account_settings_update' }),
  });
  return response.ok;
}

/** A line for each webhook that has been answered: what it tells, of whom, and the status. */
function webhooks(graph: SimulatedGraph): string[] {
  return graph.world.webhooks.sent.filter(({ status }) => status !== 0).flatMap(({ body, status }) => {
    const text = JSON.stringify(body);
    const event = /"event":"(\w+)"/.exec(text)?.[1];
    const what = event !== undefined ? `${event} ${/"direction":"(\w+)"/.exec(text)?.[1] ?? ''}` : text.includes('call_permission_reply') ? 'permission reply'
      : /"status":"(sent|delivered)"/.exec(text)?.[1] !== undefined ? `message ${/"status":"(\w+)"/.exec(text)?.[1] ?? ''}` : /"field":"(\w+)"/.exec(text)?.[1] ?? '';
    return [`${what.padEnd(40)} ${status}`];
  });
}

/** Polls, as what is waited for is in another process. Undefined when it does not come. */
async function until<T>(find: () => T | undefined): Promise<T | undefined> {
  const deadline = performance.now() + NEWS_TIME;
  for (;;) {
    const found = find();
    if (found !== undefined || performance.now() > deadline) return found;
    await delay(20);
  }
}

function told(ok: boolean, text: string): boolean {
  say(ok ? text : `This did NOT work: ${text}`);
  return ok;
}
