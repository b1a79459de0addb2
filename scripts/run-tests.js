// run-tests.js [--jobs=N] [--timeout=SECONDS] FILE...: each test file in a process of its own, N at a time (1), ended after SECONDS (240; 0: never), as one
// TAP document on standard output. The command tap does the same, with loaders in each process, and in each that a test starts, that nobody here needs:
// they cost more CPU than most tests do.
import t from 'tap';

const words = process.argv.slice(2);
const option = (name, otherwise) => Number(words.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3) ?? otherwise);
const seconds = option('timeout', 240);
t.jobs = option('jobs', 1);
t.setTimeout(0);
for (const file of words.filter((word) => !word.startsWith('--'))) {
  const loader = file.endsWith('.ts') ? ['--import=./test/helpers/loader.js'] : [];
  // tap puts one of its loaders into NODE_OPTIONS.
  const plain = `NODE_OPTIONS=${process.env.NODE_OPTIONS ?? ''}`;
  t.spawn('env', [plain, process.execPath, '--enable-source-maps', ...loader, file], {
    buffered: t.jobs > 1, timeout: seconds * 1000, env: { ...process.env, TAP_TIMEOUT: String(seconds) },
  }, file);
}
