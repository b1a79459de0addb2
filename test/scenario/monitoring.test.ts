// What deploy/ gives an operator, tried on a running service with calls: /metrics by promtool, the alert rules and each query of the dashboard by a real Prometheus.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { engines } from '../helpers/engines.js';
import { noPrometheus, startPrometheus } from '../helpers/prometheus.js';
import { number } from '../helpers/service.js';
import { root, rowsOf, under } from '../unit/docs/tables.js';
import { openStage, pause } from './harness.js';

interface Panel { readonly id: number; readonly type: string; readonly title: string; readonly gridPos: { x: number; y: number; w: number; h: number }; readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[] }
interface Dashboard { readonly panels: readonly Panel[]; readonly annotations: { readonly list: readonly { readonly expr: string }[] }; readonly templating: { readonly list: readonly { readonly query: unknown }[] } }
interface Rules { readonly groups: readonly { readonly rules: readonly { readonly record?: string; readonly alert?: string; readonly expr: string }[] }[] }

const rulesFile = join(root, 'deploy/prometheus/alerts.yml');
const rules = (parse(readFileSync(rulesFile, 'utf8')) as Rules).groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(readFileSync(join(root, 'deploy/grafana/wa-b2bua.json'), 'utf8')) as Dashboard;
const targets = dashboard.panels.flatMap(({ title, targets: all = [] }) => all.map((target) => ({ title, ...target })));
const expressions = [...rules, ...targets, ...dashboard.annotations.list].map(({ expr }) => expr);

/** Lines of these begin with something that this service does not meet: Meta's side of it is in test/scenario/graph. */
const notHere = ['wab_number_drift', 'wab_number_warnings_total', 'wab_missed_calls_total', 'wab_permissions_total', 'wab_pick_up_ratio'];

/** As Grafana fills them in. */
const filledIn = (expr: string): string => expr.replaceAll('$__rate_interval', '5s').replaceAll('$instance', '.*');

/** Metrics of an expression, each with the labels that its braces name, and the values that these have there. */
function selectors(expr: string): { readonly metric: string; readonly labels: readonly string[]; readonly text: string }[] {
  return [...expr.matchAll(/\b((?:wab|process|nodejs)[_:][\w:]+)(\{[^}]*\})?/g)].map(([text, metric = '', braces = '']) => ({ text, metric, labels: [...braces.matchAll(/(\w+)\s*[=!]/g)].map(([, label = '']) => label) }));
}

t.test('every metric and label that a rule or the dashboard names is one that metrics.md has', (t) => {
  const known = new Map(under(rowsOf('reference/metrics.md'), 'Ours', 'Of Node.js and the process').map(({ name, cells }) => [name, (cells[2] ?? '').replaceAll('`', '').split(', ').filter((label) => label !== '')]));
  for (const window of ['15m', '1h']) {
    known.set(`wab:calls:increase${window}`, known.get('wab_calls_total') ?? []);
    known.set(`wab:watched:${window}`, []);
  }
  const everywhere = ['job', 'instance'];
  const labelsOf = (metric: string): readonly string[] | undefined => {
    const whole = known.get(metric);
    if (whole !== undefined) return [...whole, ...everywhere];
    const [, base = '', part = ''] = /^(.*)_(bucket|sum|count)$/.exec(metric) ?? [];
    const ofBase = known.get(base);
    return ofBase === undefined ? undefined : [...ofBase, ...everywhere, ...(part === 'bucket' ? ['le'] : [])];
  };
  for (const expr of expressions) {
    const used = selectors(expr);
    for (const { metric, labels } of used) t.same(labels.filter((label) => labelsOf(metric)?.includes(label) !== true), [], `${metric} in ${expr}`);
    const all = used.flatMap(({ metric }) => labelsOf(metric) ?? [`no metric ${metric}`]);
    const grouped = [...expr.matchAll(/\b(?:by|on|ignoring|without|group_left|group_right) ?\(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(',').map((label) => label.trim()));
    t.same(grouped.filter((label) => !all.includes(label)), [], `labels that ${expr} groups by`);
  }
  for (const { expr, legendFormat, title } of targets) {
    const all = selectors(expr).flatMap(({ metric }) => labelsOf(metric) ?? []);
    const left = /^(?:sum|min|max) by \(([^)]*)\)/.exec(expr)?.[1]?.split(', ');
    const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
    t.same(shown.filter((label) => !(left ?? all).includes(label)), [], `the legend of ${title} names labels that are left`);
  }
  const reasons = readFileSync(join(root, 'docs/reference/terminations.md'), 'utf8');
  for (const [, list = ''] of expressions.flatMap((expr) => [...expr.matchAll(/\b(?:reason|result)!?=~?"([^"]*)"/g)])) {
    for (const word of list.split('|')) t.ok(word === 'limit[.].*' || reasons.includes(`\`${word}\``), `${word} is in terminations.md`);
  }
  t.end();
});

t.test('the panels have ids of their own and lie beside each other', (t) => {
  const { panels } = dashboard;
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  for (const [index, { title, gridPos: a }] of panels.entries()) {
    t.ok(a.x + a.w <= 24, `${title} is not too wide`);
    const over = panels.slice(index + 1).filter(({ gridPos: b }) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h);
    t.same(over.map((other) => other.title), [], title);
  }
  t.end();
});

const skip = noPrometheus !== false ? noPrometheus : engines.sip === 'embedded' ? false : 'the embedded server is in it';

t.test('a running service: promtool finds nothing to say of /metrics, Prometheus takes each rule and query, those that should have figures have, and one alert fires', { skip }, async (t) => {
  const stage = await openStage({
    peers: { pbx: { config: { mayCall: [number], health: { interval: 30 } } } },
    // With the thread every figure of the SIP server is there.
    overlay: { cdr: { sinks: [{ syslog: 'udp:127.0.0.1:9' }] }, sip: { thread: true }, peers: { phones: { register: true, pstn: 'none', accounts: { 7001: { password: 'p' } }, mayCall: [number], codecs: ['PCMU'] } } },
  });
  const dir = mkdtempSync(join(tmpdir(), 'wab-prometheus-'));
  t.teardown(async () => {
    await stage.close();
    rmSync(dir, { recursive: true, force: true });
  });
  await stage.answerAsMeta({ behaviour: 'tone' });
  const target = stage.running.service.http ?? '';
  const prometheus = await startPrometheus(dir, { job: 'wa-b2bua', target, rules: rulesFile });
  t.teardown(() => prometheus.close());
  // Two rounds, so that what begins with the first has risen by the second.
  for (const round of [1, 2]) {
    await prometheus.scraped();
    t.equal((await stage.call({}, 100)).status, 200, `a user calls, ${round}`);
    t.equal((await stage.call({ password: 'wrong' })).status, 403, 'one whose password is wrong');
    const call = await stage.peers.pbx!.call(`sip:+447700900101@127.0.0.1:${stage.running.udp.port}`, { from: `<sip:${number}@pbx.example>` });
    t.equal(await call.final, 200, 'the PBX calls');
    await pause(100);
    await call.bye();
    await stage.running.records(3 * round);
  }
  await prometheus.scraped();

  const page = await (await fetch(`http://${target}/metrics`)).text();
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: page, encoding: 'utf8' });
  t.same({ status, said: `${stdout}${stderr}` }, { status: 0, said: '' }, 'promtool check metrics');

  const judged = await prometheus.rules();
  t.equal(judged.length, rules.length);
  for (const { name, health, lastError } of judged) t.equal(health, 'ok', `${name} ${lastError ?? ''}`);
  // Meta's password does not fit, says one call in three; nothing else is wrong.
  const firing = judged.filter(({ state }) => state === 'firing');
  t.same(firing.map(({ name }) => name), ['WabMetaPasswordWrong']);
  t.match(firing[0]?.alerts?.[0], { labels: { job: 'wa-b2bua', instance: target, severity: 'critical' }, annotations: { summary: `Calls of users are refused on ${target}: Meta's password does not fit`, description: /^2 calls that came/ } });

  for (const expr of expressions) {
    for (const { metric, text } of selectors(filledIn(expr))) {
      // Every series of these is known beforehand, so that a value which is none would never be seen.
      if (notHere.includes(metric) || /^wab(_calls_total|:calls:)/.test(metric)) continue;
      t.ok((await prometheus.query(text)).length > 0, `there is ${text}`);
    }
  }
  for (const { title, expr } of targets) {
    const samples = await prometheus.query(filledIn(expr));
    const empty = selectors(expr).some(({ metric }) => notHere.includes(metric)) || title === 'Refused and dropped' || title === 'Unanswered by reason';
    if (!empty) t.ok(samples.length > 0 && samples.some(({ value }) => value[1] !== 'NaN'), `${title} shows something: ${expr}`);
  }
  for (const { expr } of dashboard.annotations.list) t.ok(Array.isArray(await prometheus.query(filledIn(expr))));
  const value = async (expr: string): Promise<number> => Number((await prometheus.query(expr))[0]?.value[1]);
  t.equal(await value('sum(wab_calls_begun_total{direction="user-initiated"})'), 4);
  t.equal(await value('sum(wab:calls:increase15m{reason="auth.failed"})'), 2, 'the first of a kind counts');
  t.equal(await value('wab_number_day_calls'), 2);
});
