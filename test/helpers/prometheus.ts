import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { freePort } from './ports.js';

/** Why a test that needs Prometheus cannot run here; false when it can. For tap's `skip`. */
export const noPrometheus = ['prometheus', 'promtool'].every((name) => spawnSync(name, ['--version']).error === undefined) ? false : 'no prometheus and promtool: Debian package prometheus';

/** A sample of an instant query. */
export interface Sample { readonly metric: Readonly<Record<string, string>>; readonly value: readonly [number, string] }
export interface EvaluatedRule {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
  readonly state?: string;
  readonly alerts?: readonly { readonly labels: Record<string, string>; readonly annotations: Record<string, string> }[];
}

/** Prometheus on loopback, which scrapes one target and judges one file of rules, both every second. */
export interface Prometheus {
  /** @throws Error with Prometheus' words when it does not take the expression. */
  query(expression: string): Promise<readonly Sample[]>;
  /** Every rule as it was judged last. */
  rules(): Promise<readonly EvaluatedRule[]>;
  /** Resolves when the target has been scraped after now, and every rule judged on what that gave. */
  scraped(): Promise<void>;
  close(): Promise<void>;
}

export async function startPrometheus(dir: string, { job, target, rules }: { readonly job: string; readonly target: string; readonly rules: string }): Promise<Prometheus> {
  const file = join(dir, 'prometheus.yml');
  await writeFile(file, stringify({ global: { scrape_interval: '1s', evaluation_interval: '1s' }, rule_files: [rules], scrape_configs: [{ job_name: job, static_configs: [{ targets: [target] }] }] }));
  const port = await freePort();
  const child = spawn('prometheus', [`--config.file=${file}`, `--storage.tsdb.path=${join(dir, 'data')}`, `--web.listen-address=127.0.0.1:${port}`, '--log.level=warn'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const said: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => { said.push(text); });
  const ended = once(child, 'exit');
  const at = `http://127.0.0.1:${port}`;
  const ask = async (path: string): Promise<unknown> => {
    const { status, error, data } = await (await fetch(`${at}${path}`)).json() as { status: string; error?: string; data: unknown };
    if (status !== 'success') throw new Error(`${decodeURIComponent(path)}: ${error}`);
    return data;
  };
  const until = async (what: string, check: () => Promise<boolean>): Promise<void> => {
    for (const deadline = Date.now() + 15_000; !await check();) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`Prometheus: ${what}: ${JSON.stringify(await ask('/api/v1/targets'))} ${said.join('')}`);
      await sleep(100);
    }
  };
  await until('it does not start', async () => (await fetch(`${at}/-/ready`).catch(() => null))?.ok === true);
  const query = async (expression: string): Promise<readonly Sample[]> => (await ask(`/api/v1/query?query=${encodeURIComponent(expression)}`) as { result: Sample[] }).result;
  const groups = async () => (await ask('/api/v1/rules') as { groups: { rules: EvaluatedRule[]; lastEvaluation: string }[] }).groups;
  return {
    query,
    rules: async () => (await groups()).flatMap((group) => group.rules),
    async scraped() {
      const after = async (time: number): Promise<boolean> => (await query('timestamp(up) and up == 1')).some(({ value }) => Number(value[1]) * 1000 > time);
      const now = Date.now();
      await until('it does not scrape', () => after(now));
      // Groups have clocks of their own, so an alert may be judged on what another group recorded before the scrape; and a late tick judges the moment at which
      // it was due. What was recorded after the scrape has been judged when each group has had its turn three times.
      for (let turn = 0; turn < 3; turn++) {
        const before = Date.now();
        await until('it does not judge the rules', async () => (await groups()).every(({ lastEvaluation }) => Date.parse(lastEvaluation) > before));
      }
    },
    async close() {
      child.kill();
      await ended;
    },
  };
}
