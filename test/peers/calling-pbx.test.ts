import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { readWav } from '../../lib/media/prompts/pcm.js';
import { domain, number } from '../helpers/service.js';
import { openStage, pause, type Stage } from '../scenario/harness.js';
import { freePort } from '../helpers/ports.js';
import { absent } from './programs.js';
import { startSoftphone } from './softphone.js';

const user = '+447700900101';
type Meta = Awaited<ReturnType<Stage['answerAsMeta']>>;
type Keying = 'sdes' | 'dtls';

async function open(t: Test, keying: Keying, expect: number[], peer: object = {}): Promise<{ stage: Stage; meta: Meta }> {
  const stage = await openStage({
    external: { pbx: { port: 9, codecs: ['PCMU', 'PCMA', 'opus', 'G722'], mayCall: [number], ...peer } }, overlay: { numbers: { [number]: { keying } } },
  });
  t.teardown(() => stage.close());
  return { stage, meta: await stage.answerAsMeta({ keying, behaviour: 'tone', expect }) };
}

/** One sipp call that echoes audio and events; resolves with its exit status when it has hung up. */
async function sippCalls(stage: Stage, codec: string, payloadType: number): Promise<number> {
  const [port, media] = [await freePort(), await freePort()];
  const child = spawn('sipp', [
    `127.0.0.1:${stage.running.udp.port}`, '-sf', fileURLToPath(new URL('scenarios/calling-pbx.xml', import.meta.url)), '-s', user, '-key', 'number', number, '-key', 'codec', codec, '-key', 'pt', String(payloadType),
    '-i', '127.0.0.1', '-p', String(port), '-mi', '127.0.0.1', '-mp', String(media), '-rtp_echo', '-m', '1', '-nostdin', '-timeout', '30s',
  ], { stdio: 'ignore' });
  const [status] = await once(child, 'exit') as [number];
  return status;
}

for (const keying of ['sdes', 'dtls'] as const) {
  t.test(`sipp calls a ${keying} number: audio and digits there and back, each codec`, { skip: absent('sipp') }, async (t) => {
    // Meta's own tones: what sipp sends back has gone both ways.
    const { stage, meta } = await open(t, keying, [600, 900]);
    for (const [index, [codec, name, type]] of ([['PCMU/8000', 'PCMU', 0], ['PCMA/8000', 'PCMA', 8], ['opus/48000/2', 'opus', 111], ['G722/8000', 'G722', 9]] as const).entries()) {
      const coming = meta.nextCall();
      const done = sippCalls(stage, codec, type);
      const call = await coming;
      await new Promise((resolve) => call.once('answered', () => resolve(undefined)));
      await pause(1000);
      await call.press('19#');
      t.equal(await done, 0, `${name}: sipp is content`);
      const cdr = (await stage.running.records(index + 1))[index]!;
      t.match(cdr, { termination: { by: 'peer', reason: 'hangup' }, media: { meta: { codec: 'opus', keying }, peer: { codec: name } } });
      while (meta.reports.length <= index) await pause(10);
      const report = meta.reports[index]!;
      t.same(report.violations, [], name);
      t.ok(report.audio!.toneHeard, `${name}: the tone went there and back`);
      t.equal(report.audio!.digits, '19#', `${name}: digits went there and back`);
    }
  });
}

for (const [codec, name, keying, srtp] of [['PCMU', 'PCMU', 'sdes', false], ['PCMA', 'PCMA', 'dtls', false], ['opus/48000/2', 'opus', 'sdes', false], ['G722/16000/1', 'G722', 'dtls', false], ['PCMU', 'PCMU', 'dtls', true]] as const) {
  t.test(`baresip calls a ${keying} number with ${name}${srtp ? ' over SRTP' : ''}: audio and digits both ways`, { skip: absent('baresip') }, async (t) => {
    const { stage, meta } = await open(t, keying, [440], { srtp: srtp ? 'sdes' : 'none' });
    // A short path: baresip 1.0 cuts longer ones.
    const record = await mkdtemp(join(tmpdir(), 'wab-heard-'));
    t.teardown(() => rm(record, { recursive: true, force: true }));
    const phone = await startSoftphone({
      user: number, password: 'none', domain, registrar: `127.0.0.1:${stage.running.udp.port}`, transport: 'udp', audio: 'tone', codec, srtp, register: false, record,
    });
    t.teardown(() => phone.close());
    const coming = meta.nextCall();
    await phone.command('dial', `sip:${user}@${domain}`);
    const call = await coming;
    await new Promise((resolve) => call.once('answered', () => resolve(undefined)));
    await pause(1500);
    for (const digit of '27') {
      await phone.command('sndcode', digit);
      await pause(300);
    }
    await call.press('58');
    await pause(1000);
    await phone.command('hangup');
    const [cdr] = await stage.running.records(1);
    t.match(cdr, { number, termination: { by: 'peer', reason: 'hangup' }, media: { meta: { codec: 'opus', keying }, peer: { codec: name, keying: srtp ? 'sdes' : 'none' } } });
    while (meta.reports.length < 1) await pause(10);
    const [report] = meta.reports;
    t.same(report!.violations, []);
    t.ok(report!.audio!.toneHeard, 'the user hears baresip');
    t.equal(report!.audio!.digits, '27', 'and its digits');
    t.equal(phone.digits(), '58', 'baresip heard the digits of the user');
    await phone.close();
    const heard = (await readdir(record)).find((file) => file.endsWith('dec.wav'));
    const { samples, rate } = readWav(await readFile(`${record}/${heard}`));
    t.ok(loudest(samples, rate) > 0.5, 'and the tone of the user');
  });
}

/** Share of the Meta stand-in's tone (600 Hz) in the second of a recording that has most of it. */
function loudest(samples: Int16Array, rate: number): number {
  const share = (from: number): number => {
    let [re, im, all] = [0, 0, 0];
    for (let i = 0; i < rate && from + i < samples.length; i++) {
      const s = samples[from + i]!;
      re += s * Math.cos((2 * Math.PI * 600 * i) / rate);
      im += s * Math.sin((2 * Math.PI * 600 * i) / rate);
      all += s * s;
    }
    return all === 0 ? 0 : (2 * (re * re + im * im)) / (rate * all);
  };
  return Math.max(0, ...Array.from({ length: Math.floor(samples.length / (rate / 4)) }, (_, i) => share((i * rate) / 4)));
}
