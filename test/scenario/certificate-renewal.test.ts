import { X509Certificate } from 'node:crypto';
import { copyFile, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { connect } from 'node:tls';
import t from 'tap';
import { renewCertificate } from '../helpers/certificates.js';
import { domain } from '../helpers/service.js';
import { openStage, pause, type Stage } from './harness.js';

/** Fingerprint of the certificate that a new connection is shown. */
function served(stage: Stage): Promise<string> {
  const { tls, certificates } = stage.running;
  return readFile(certificates.ca).then((ca) => new Promise((resolve, reject) => {
    const socket = connect({ host: tls.host, port: tls.port, servername: domain, ca }, () => {
      resolve(socket.getPeerX509Certificate()!.fingerprint256);
      socket.destroy();
    });
    socket.once('error', reject);
  }));
}

async function fingerprintOf(file: string): Promise<string> {
  return new X509Certificate(await readFile(file)).fingerprint256;
}

async function until(what: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await what())) {
    if (Date.now() > deadline) throw new Error('it did not come to that');
    await pause(100);
  }
}

t.test('a renewed certificate is served at once; calls that are up do not notice', async (t) => {
  const stage = await openStage();
  t.teardown(() => stage.close());
  const { certificates, log } = stage.running;
  const before = await served(stage);
  t.equal(before, await fingerprintOf(certificates.cert));
  const caller = stage.user();
  t.equal(await caller.place(), 200);

  const renewed = renewCertificate(dirname(certificates.cert), domain);
  // As renewal programs do it: each file in one step, the two not at the same moment.
  for (const [from, to] of [[renewed.cert, certificates.cert], [renewed.key, certificates.key]] as const) {
    await copyFile(from, `${to}.new`);
    await rename(`${to}.new`, to);
    await pause(100);
  }
  const wanted = await fingerprintOf(renewed.cert);
  await until(async () => (await served(stage)) === wanted);
  t.ok(log.some((line) => line.includes('certificate read again')));
  await pause(1000);
  await caller.hangUp();
  const report = caller.report();
  caller.close();
  t.same(report.violations, []);
  t.ok(report.audio!.toneHeard);
  t.equal((await stage.call({}, 500)).status, 200, 'and new calls come');
});

t.test('files that do not fit together are reported, and the old certificate goes on', async (t) => {
  const stage = await openStage();
  t.teardown(() => stage.close());
  const { certificates, log } = stage.running;
  const before = await served(stage);
  const good = await readFile(certificates.key);
  await writeFile(certificates.key, await readFile(certificates.metaKey));
  await until(async () => Promise.resolve(log.some((line) => line.includes('new certificate does not load, the old one stays'))));
  t.equal(await served(stage), before);
  t.equal((await stage.call({}, 500)).status, 200);
  await writeFile(certificates.key, good);
});
