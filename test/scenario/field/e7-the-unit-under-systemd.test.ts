// deploy/wa-b2bua.service as it is, under a real systemd, with the smallest configuration of the README and the unit's own user.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { engines } from '../../helpers/engines.js';

const root = new URL('../../..', import.meta.url).pathname.replace(/\/$/, '');
const needs = ['/lib/systemd/systemd', '/usr/bin/node', '/usr/bin/rtpengine', '/usr/sbin/pivot_root', '/usr/bin/openssl'];
const skip = process.getuid?.() !== 0 ? 'needs root' : engines.media !== 'rtpengine' ? 'once is enough' : needs.find((file) => !existsSync(file)) ?? false;

const smallest = /```yaml\n(domain: [\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1] ?? '';
const unit = 'etc/systemd/system/wa-b2bua.service';
const config = 'etc/wa-b2bua/wa-b2bua.yaml';
/** As the unit's comment says. */
const credentials = `sed -i 's/^#LoadCredential/LoadCredential/' ${unit}
sed -i 's#tls: {.*}#tls: { cert: /run/credentials/wa-b2bua.service/fullchain.pem, key: /run/credentials/wa-b2bua.service/key.pem }#' ${config}
`;
const probe = `
for i in $(seq 60); do journalctl -u wa-b2bua --no-pager -o cat | grep -qE '"ready":true|FILE_UNREADABLE' && break; sleep 0.5; done
P=$(systemctl show -p MainPID --value wa-b2bua)
echo "process $(grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs)' /proc/$P/status | tr '\\n' ' ')"
echo "niceness $(for task in /proc/$P/task/*; do cut -d' ' -f19 $task/stat; done | sort -u | tr '\\n' ' ')"
echo "health $(node -e 'fetch("http://127.0.0.1:8080/health").then(async (r) => console.log(r.status), (e) => console.log(String(e)))')"
echo "state $(ls /var/lib/private/wa-b2bua | tr '\\n' ' ')"
echo "logs $(ls /var/log/private/wa-b2bua | tr '\\n' ' ')"
systemctl reload wa-b2bua; sleep 1
systemctl stop wa-b2bua
echo "stopped $(systemctl show -p Result -p ExecMainStatus wa-b2bua | tr '\\n' ' ')"
journalctl -u wa-b2bua --no-pager -o cat
`;

t.test('E7: unit and smallest configuration start together', { skip, timeout: 240_000 }, async (t) => {
  const build = mkdtempSync(join(tmpdir(), 'wab-build-'));
  t.teardown(() => rmSync(build, { recursive: true, force: true }));
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--outDir', join(build, 'dist')], { cwd: root });

  const boot = async (change: string): Promise<string | null> => {
    const work = mkdtempSync(join(tmpdir(), 'wab-systemd-'));
    t.teardown(() => rmSync(work, { recursive: true, force: true }));
    cpSync(join(build, 'dist'), join(work, 'dist'), { recursive: true });
    writeFileSync(join(work, 'wa-b2bua.yaml'), smallest);
    writeFileSync(join(work, 'change.sh'), change);
    writeFileSync(join(work, 'probe.sh'), probe);
    const child = spawn('unshare', ['-m', '-p', '-C', '-i', '-u', '-n', '-f', '--kill-child', 'sh', join(root, 'test/helpers/underSystemd.sh'), work, root], { stdio: 'ignore' });
    const timer = setTimeout(() => child.kill('SIGKILL'), 90_000);
    const [code] = await once(child, 'exit') as [number | null];
    clearTimeout(timer);
    return code === 77 || code === 1 ? null : readFileSync(join(work, 'said'), 'utf8');
  };

  const said = await boot(credentials);
  if (said === null) return t.comment('this machine gives no namespaces: nothing was tried');
  t.match(said, /^process Uid:\s+(?!0\b)\d+.*CapEff:\s+0000000000800400 CapBnd:\s+0000000000800400 NoNewPrivs:\s+1/m, 'its own user, two capabilities');
  t.match(said, /^niceness .*-10/m, 'media comes before signalling');
  t.match(said, /^health 200$/m);
  t.match(said, /^state cdr\.jsonl cdr\.jsonl\.live/m, './cdr.jsonl is below its state directory');
  t.match(said, /configuration reloaded/);
  t.match(said, /^stopped Result=success ExecMainStatus=0/m);

  const logs = await boot(`${credentials}printf 'cdr: { file: /var/log/wa-b2bua/cdr.jsonl }\\n' >> ${config}\n`);
  t.match(logs, /^health 200$/m);
  t.match(logs, /^logs cdr\.jsonl/m, 'files below its logs directory too');

  const closed = await boot('');
  t.match(closed, /FILE_UNREADABLE: .*sip\.tls\.key: \/etc\/wa-b2bua\/key\.pem cannot be read: EACCES/, 'a key that only root may read: the message names its key');
});
