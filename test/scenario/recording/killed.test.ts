// kill -9 in the middle of a recorded call: the file plays up to its last second, and the next process makes it whole.
import t from 'tap';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, utimesSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MetaSide, SimulatedUser, startPeer } from '../../../lib/simulator/index.js';
import { runProcess } from '../../helpers/process.js';
import { readRecording } from '../../helpers/recordingRig.js';
import { domain, freePort, number, password, writeConfig } from '../../helpers/service.js';
import { pause } from '../harness.js';

/** What a program that nobody here wrote says of a file; null where it is not installed. */
function ask(program: string, ...args: string[]): string | null {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

for (const format of ['ogg', 'wav'] as const) {
  t.test(`${format}: up to the last second, and whole after a restart`, async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'wab-recorded-'));
    t.teardown(() => rm(dir, { recursive: true, force: true }));
    const peer = await startPeer({ answer: 'tone', codecs: ['opus'] });
    t.teardown(() => peer.close());
    const metaPort = await freePort();
    const directory = join(dir, 'recordings');
    const { text, certificates } = await writeConfig(dir, {
      metaPort, peers: { pbx: { port: peer.port, codecs: ['opus'] } },
      overlay: { recording: { directory, format }, routes: [{ name: 'main', number, to: [{ peer: 'pbx', user: '6001' }], record: { announce: null } }] },
    });
    const config = join(dir, 'config.yaml');
    await writeFile(config, text);
    let service = await runProcess(config);
    t.teardown(() => service.end('SIGINT'));
    const side = await MetaSide.open({
      to: `127.0.0.1:${service.port('tls')}`, serverName: domain, ca: certificates.ca, listen: `127.0.0.1:${metaPort}`, cert: certificates.metaCert, key: certificates.metaKey,
    });
    t.teardown(() => side.close());
    const caller = new SimulatedUser(side, { number, password });
    t.equal(await caller.place(), 200);
    const found = (extension: string): string | null => {
      const day = existsSync(directory) ? readdirSync(directory).find((name) => /^\d/.test(name)) : undefined;
      const name = day === undefined ? undefined : readdirSync(join(directory, day)).find((one) => one.endsWith(extension));
      return day === undefined || name === undefined ? null : join(directory, day, name);
    };
    while (found(`.${format}`) === null) await pause(20);
    const file = found(`.${format}`) ?? '';
    const began = performance.now();
    await pause(3000);
    await service.end('SIGKILL');
    const lasted = (performance.now() - began) / 1000;
    caller.close();

    const { channels, rate } = readRecording(file);
    const seconds = (channels[0]?.length ?? 0) / rate;
    t.ok(seconds > 1.5 && seconds > lasted - 1.2, `${seconds} s of ${lasted}`);
    t.ok(channels.every((channel) => channel.some((sample) => Math.abs(sample) > 1000)), 'both are heard');
    const open = JSON.parse(readFileSync(join(directory, '.open', readdirSync(join(directory, '.open'))[0] ?? ''), 'utf8'));
    t.match(open, { number, peer: 'pbx', route: 'main' });

    const before = new Date(Date.now() - 60_000);
    utimesSync(file, before, before);
    service = await runProcess(config);
    while (found('.json') === null) await pause(20);
    const sidecar = JSON.parse(readFileSync(found('.json') ?? '', 'utf8'));
    t.match(sidecar, { recovered: true, closed: false, why: 'killed', number, call: open.call });
    const whole = readRecording(file);
    t.ok(whole.ended, 'it is told as whole');
    t.equal((whole.channels[0]?.length ?? 0) / whole.rate, sidecar.seconds);
    t.same(readdirSync(join(directory, '.open')), []);

    const opusinfo = format === 'ogg' ? ask('opusinfo', file) : null;
    if (opusinfo !== null) {
      t.match(opusinfo, /Channels: 2/);
      t.notMatch(opusinfo, /WARNING|ERROR/i, opusinfo);
    }
    // sox knows Opus where it was built so: else it is given what opusdec makes of it.
    const decoded = format === 'wav' ? file : join(dir, 'decoded.wav');
    const sox = decoded === file || ask('opusdec', '--quiet', file, decoded) !== null ? ask('soxi', '-D', decoded) : null;
    if (sox !== null) t.ok(Math.abs(Number(sox) - sidecar.seconds) < 0.001, `sox: ${sox}`);
    if (sox !== null) t.equal(ask('soxi', '-c', decoded)?.trim(), '2');
    const ffprobe = ask('ffprobe', '-v', 'error', '-show_entries', 'stream=channels,duration', '-of', 'csv=p=0', file);
    if (ffprobe !== null) t.match(ffprobe, /^2,/);
  });
}
