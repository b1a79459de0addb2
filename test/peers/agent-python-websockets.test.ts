// An agent that nobody here wrote the WebSocket of: Python with the package websockets, as in docs/guides/agents.md. Skipped where it is not installed (Debian: python3-websockets).
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { number } from '../helpers/service.js';
import { freePort } from '../helpers/ports.js';
import { openStage } from '../scenario/harness.js';
import { assertQuietLeg, hears, recordOf, until } from '../scenario/pbx/steps.js';

const python = '/usr/bin/python3';
const version = ((): string | null => {
  try {
    return execFileSync(python, ['-c', 'import websockets.version as v; print(v.version)'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return null;
  }
})();

/** The program of the guide, on this port. */
function program(port: number): string {
  const guide = readFileSync(new URL('../../docs/guides/agents.md', import.meta.url), 'utf8');
  const text = /```python\n([\s\S]*?)```/.exec(guide)?.[1];
  if (text === undefined) throw new Error('the guide has no program');
  return text.replace('9000', String(port));
}

t.test('the echo of the guide: heard by the user, who presses a key and talks with a person', { skip: version === null ? 'python3-websockets is not installed' : false }, async (t) => {
  const port = await freePort();
  const agent = spawn(python, ['-c', program(port)], { stdio: ['ignore', 'inherit', 'pipe'] });
  let errors = '';
  agent.stderr.on('data', (data: Buffer) => { errors += data.toString(); });
  const stage = await openStage({
    peers: { pbx: { answer: 'tone', tones: [1000, 1000], expect: [] } },
    overlay: {
      peers: { agent: { websocket: `ws://127.0.0.1:${port}/call`, dialect: 'raw', pstn: 'none', users: ['agent'], mayTransferTo: ['pbx'], health: { interval: 1 } } },
      routes: [{ name: 'main', number, to: [{ peer: 'agent', user: 'agent' }] }],
    },
  });
  t.teardown(async () => {
    await stage.close();
    agent.kill();
    await once(agent, 'exit');
  });
  await until(() => stage.running.log.some((line) => line.includes('peer agent answers')), 'the agent listens');
  const user = stage.user({ expect: [600, 900, 1000] });
  t.equal(await user.place(), 200);
  await hears(user, 'tone', 100);
  await user.press('1');
  await until(() => user.report().audio?.detail.tone.frequencies.includes(1000) === true, 'the person of the PBX is heard');
  await user.hangUp();
  assertQuietLeg(t, user.report());
  t.match(await recordOf(stage, user), { transfers: [{ by: 'agent', to: '6001@pbx', status: 200 }] });
  t.notMatch(errors, /Traceback/);
});
