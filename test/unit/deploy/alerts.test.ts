// Each rule of deploy/prometheus/alerts.yml, judged by promtool (Debian: prometheus): it fires at what it is for, and at nothing short of that.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { root, rowsOf, under } from '../docs/tables.js';

interface Rule { readonly alert?: string; readonly record?: string; readonly expr: string; readonly for?: string; readonly labels?: Record<string, string>; readonly annotations?: Record<string, string> }
interface Rules { readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[] }

const file = join(root, 'deploy/prometheus/alerts.yml');
const rules = parse(readFileSync(file, 'utf8')) as Rules;
const alerts = rules.groups.flatMap((group) => group.rules).filter((rule) => rule.alert !== undefined);
const skip = spawnSync('promtool', ['--version']).error === undefined ? false : 'no promtool: Debian package prometheus';

/** Series by name and labels, with their values a minute apart from 0 on, in promtool's notation: start+STEPxCOUNT, _ is no sample. */
type Series = Readonly<Record<string, string>>;
/** What the alert says of whom: labels beside job, instance and severity. */
type Said = Readonly<Record<string, string>>;
interface Case { readonly at: string; readonly fires: Series; readonly says?: Said; readonly quiet: readonly Series[] }

const number = '+447700900001';
/** Scraped since long. */
const watched: Series = { up: '1x200', process_start_time_seconds: '-1000000x200' };
/** Calls that have ended so since half an hour after the start. */
const calls = (labels: string, values: string): Series => ({ [`wab_calls_total{direction="user-initiated",${labels}}`]: values });
const badCredentials = 'by="meta",reason="badCredentials",status="403",result="server"';
const answered = (direction: string, answers: string, all: string): Series => ({
  ...watched, [`wab_setup_seconds_count{direction="${direction}"}`]: answers, [`wab_calls_total{direction="${direction}",by="user",reason="hangup",status="200",result="success"}`]: all,
});
const ofLimit = (name: string, labels: string, used: number, limit: number): Series => ({ [`${name}${labels}`]: `${used}x200`, [`${name}_limit${labels}`]: `${limit}x200` });

const cases: Readonly<Record<string, Case>> = {
  WabDown: { at: '3m', fires: { up: '0x9' }, quiet: [{ up: '1x9' }, { up: '1x2 0x9' }] },
  WabRestarts: { at: '10m', fires: { process_start_time_seconds: '1 100 100 200 200 300 300x9' }, quiet: [{ process_start_time_seconds: '1 1 200 200 300x9' }] },
  WabSipServerDown: { at: '3m', fires: { wab_sip_up: '1 0x9' }, quiet: [{ wab_sip_up: '1x9' }, { wab_sip_up: '1x2 0x9' }] },
  WabMediaDown: { at: '3m', fires: { wab_media_up: '1 0x9' }, quiet: [{ wab_media_up: '1x9' }] },
  WabFaults: { at: '10m', fires: { wab_process_faults_total: '0x5 1x9' }, quiet: [{ wab_process_faults_total: '7x20' }] },
  WabSipThreadDied: { at: '10m', fires: { 'wab_sipserver_events_total{event="threadDeaths"}': '0x5 1x9' }, says: { event: 'threadDeaths' }, quiet: [{ 'wab_sipserver_events_total{event="received"}': '0+9x20' }] },
  WabCertificateEnds: { at: '12m', fires: { wab_certificate_expires_seconds: '1200000-60x20' }, quiet: [{ wab_certificate_expires_seconds: '1300000-60x20' }] },
  WabCertificateEndsNow: { at: '2m', fires: { wab_certificate_expires_seconds: '-10-60x20' }, quiet: [{ wab_certificate_expires_seconds: '180000-60x20' }] },
  WabPeerOut: { at: '5m', fires: { 'wab_peer_up{peer="pbx"}': '1 0x9', 'wab_peer_up{peer="b"}': '1x9' }, says: { peer: 'pbx' }, quiet: [{ 'wab_peer_up{peer="pbx"}': '1x4 0x9' }] },
  WabNumberDrift: { at: '15m', fires: { [`wab_number_drift{number="${number}"}`]: '2x20' }, says: { number }, quiet: [{ [`wab_number_drift{number="${number}"}`]: '0x20' }, { [`wab_number_drift{number="${number}"}`]: '2x8 0x20' }] },
  WabNumberWarned: {
    at: '100m', fires: { ...watched, [`wab_number_warnings_total{number="${number}",type="LOW"}`]: '_x80 1x40' }, says: { number, type: 'LOW' },
    quiet: [{ ...watched, [`wab_number_warnings_total{number="${number}",type="LOW"}`]: '3x200' }, { up: '_x80 1x40', process_start_time_seconds: '_x80 -1000000x40', [`wab_number_warnings_total{number="${number}",type="LOW"}`]: '_x80 3x40' }],
  },
  WabMetaRefuses: {
    at: '40m', fires: { ...watched, ...calls(badCredentials, '_x30 1x20') }, says: { reason: 'badCredentials', status: '403' },
    quiet: [
      { ...watched, ...calls(badCredentials, '5x60') }, { ...watched, ...calls('by="meta",reason="declined",status="603",result="success"', '_x30 0+1x20') },
      // Scraped for the first time: what was before is no news.
      { up: '_x30 1x20', process_start_time_seconds: '_x30 -1000000x20', ...calls(badCredentials, '_x30 5x20') },
    ],
  },
  WabMetaPasswordWrong: { at: '40m', fires: { ...watched, ...calls('by="policy",reason="auth.failed",status="403",result="client"', '_x30 1x20') }, quiet: [{ ...watched, ...calls('by="policy",reason="route.none",status="404",result="client"', '_x30 1x20') }] },
  WabCallsNeverCame: {
    at: '40m', fires: { ...watched, [`wab_missed_calls_total{number="${number}",reached="false"}`]: '_x30 1x20' }, says: { number },
    quiet: [{ ...watched, [`wab_missed_calls_total{number="${number}",reached="true"}`]: '_x30 1x20' }, { ...watched, [`wab_missed_calls_total{number="${number}",reached="false"}`]: '4x60' }],
  },
  WabGraphNotReached: {
    // With graph.whenDown: allow, the default, such calls go on.
    at: '40m', fires: { ...watched, 'wab_permissions_total{from="nobody",outcome="permission.unknown"}': '2x60', 'wab_permissions_total{from="nobody",outcome="allowed"}': '_x30 1x20' },
    quiet: [
      { ...watched, 'wab_permissions_total{from="meta",outcome="permission.none"}': '_x30 0+1x20', 'wab_permissions_total{from="nobody",outcome="permission.unknown"}': '2x60' },
      { ...watched, 'wab_permissions_total{from="meta",outcome="allowed"}': '_x30 0+1x20', 'wab_permissions_total{from="ledger",outcome="allowed"}': '0+1x60' },
    ],
  },
  WabWebhooksFail: { at: '10m', fires: { 'wab_webhooks_total{outcome="failed"}': '0x5 1x9' }, says: { outcome: 'failed' }, quiet: [{ 'wab_webhooks_total{outcome="failed"}': '1x20', 'wab_webhooks_total{outcome="taken"}': '0+5x20' }] },
  WabWebhooksUnsigned: {
    at: '40m', fires: { 'wab_webhooks_total{outcome="badSignature"}': '0+1x60', 'wab_webhooks_total{outcome="taken"}': '9x60' }, says: { outcome: 'badSignature' },
    quiet: [{ 'wab_webhooks_total{outcome="badSignature"}': '0+1x60', 'wab_webhooks_total{outcome="taken"}': '0+1x60' }],
  },
  WabWebhooksNotForwarded: { at: '10m', fires: { 'wab_webhook_forwards_total{outcome="dropped"}': '0x5 1x9' }, quiet: [{ 'wab_webhook_forwards_total{outcome="forwarded"}': '0+1x20' }] },
  WabEventsNotDelivered: { at: '10m', fires: { 'wab_event_webhooks_total{outcome="dropped"}': '0x5 1x9' }, quiet: [{ 'wab_event_webhooks_total{outcome="delivered"}': '0+1x20', 'wab_event_webhooks_total{outcome="failed"}': '3x20' }] },
  WabRecordsNotSent: {
    at: '10m', fires: { 'wab_cdr_sink_records_total{sink="https://crm.example.net/cdr",outcome="refused"}': '0x5 1x9' }, says: { sink: 'https://crm.example.net/cdr' },
    quiet: [{ 'wab_cdr_sink_records_total{sink="https://crm.example.net/cdr",outcome="sent"}': '0+1x20', 'wab_cdr_sink_records_total{sink="syslog udp:10.0.0.9:514",outcome="dropped"}': '3x20' }],
  },
  WabHepLost: { at: '10m', fires: { wab_hep_lost_total: '0x5 8x9' }, quiet: [{ wab_hep_lost_total: '8x20' }] },
  WabPickUpLow: {
    at: '100m', fires: answered('user-initiated', '0+2x200', '0+5x200'),
    quiet: [answered('user-initiated', '0+3x200', '0+5x200'), answered('business-initiated', '0+2x200', '0+5x200'), answered('user-initiated', '0x200', '0x90 0+1x15 15x90')],
  },
  WabAnswersLow: { at: '100m', fires: answered('business-initiated', '0x200', '0+5x200'), quiet: [answered('business-initiated', '0+2x200', '0+5x200'), answered('user-initiated', '0x200', '0+5x200')] },
  WabCallsFail: {
    at: '40m', fires: { ...answered('user-initiated', '0+9x60', '0+9x60'), ...calls('by="peer",reason="unreachable",status="503",result="upstream"', '_x30 1+1x20') }, says: { by: 'peer', reason: 'unreachable' },
    quiet: [
      // One in a hundred; four of ten; what people chose.
      { ...answered('user-initiated', '0+99x60', '0+99x60'), ...calls('by="peer",reason="unreachable",status="503",result="upstream"', '0+1x60') },
      { ...watched, ...calls('by="peer",reason="unreachable",status="503",result="upstream"', '_x30 4x20'), ...calls('by="user",reason="hangup",status="200",result="success"', '_x30 6x20') },
      { ...watched, ...calls('by="peer",reason="busy",status="486",result="success"', '0+9x60') },
    ],
  },
  WabCallsOverLimit: { at: '40m', fires: { ...watched, ...calls('by="policy",reason="limit.peerRate",status="503",result="client"', '_x30 1x20') }, says: { reason: 'limit.peerRate' }, quiet: [{ ...watched, ...calls('by="policy",reason="route.none",status="404",result="client"', '_x30 1x20') }] },
  WabSipServerRefuses: { at: '10m', fires: { 'wab_sipserver_events_total{event="refusedBusy"}': '0x5 3x9' }, says: { event: 'refusedBusy' }, quiet: [{ 'wab_sipserver_events_total{event="refusedConnections"}': '0+3x20' }] },
  WabCallsNearLimit: { at: '5m', fires: ofLimit('wab_live_calls', '', 1700, 2000), quiet: [ofLimit('wab_live_calls', '', 1600, 2000)] },
  WabNumberNearLimit: { at: '5m', fires: ofLimit('wab_number_calls', `{number="${number}"}`, 900, 1000), says: { number }, quiet: [ofLimit('wab_number_calls', `{number="${number}"}`, 700, 1000)] },
  WabNumberDayNearLimit: { at: '5m', fires: ofLimit('wab_number_day_calls', `{number="${number}"}`, 8001, 10_000), says: { number }, quiet: [ofLimit('wab_number_day_calls', `{number="${number}"}`, 7999, 10_000)] },
  WabPeerNearLimit: { at: '5m', fires: ofLimit('wab_peer_calls', '{peer="pbx"}', 81, 100), says: { peer: 'pbx' }, quiet: [ofLimit('wab_peer_calls', '{peer="pbx"}', 80, 100)] },
  WabSipServerNearLimit: {
    at: '5m', fires: { 'wab_sipserver_in_use{resource="dialogs"}': '900x9', 'wab_sipserver_in_use{resource="clients"}': '900x9', 'wab_sipserver_limit{resource="dialogs"}': '1000x9' }, says: { resource: 'dialogs' },
    quiet: [{ 'wab_sipserver_in_use{resource="dialogs"}': '9x9', 'wab_sipserver_limit{resource="dialogs"}': '1000x9' }],
  },
  WabFilesNearLimit: { at: '5m', fires: { process_open_fds: '900x9', process_max_fds: '1000x9' }, quiet: [{ process_open_fds: '90x9', process_max_fds: '1000x9' }] },
  WabEventLoopLate: {
    at: '10m', fires: { 'wab_event_loop_lag_seconds{percentile="99"}': '0.03x20' }, says: { percentile: '99' },
    quiet: [{ 'wab_event_loop_lag_seconds{percentile="99"}': '0.01x20', 'wab_event_loop_lag_seconds{percentile="100"}': '0.5x20' }, { 'wab_event_loop_lag_seconds{percentile="99"}': '0.01x5 0.2x3 0.01x9' }],
  },
  WabMediaThreadLate: { at: '5m', fires: { 'wab_media_worker_lag_seconds{worker="0"}': '0.01x20', 'wab_media_worker_lag_seconds{worker="1"}': '0.08x20' }, says: { worker: '1' }, quiet: [{ 'wab_media_worker_lag_seconds{worker="0"}': '0.05x20' }, { 'wab_media_worker_lag_seconds{worker="0"}': '0.01x4 0.2x9' }] },
};

const where = { job: 'wa-b2bua', instance: '10.0.0.4:8080' };
const place = Object.entries(where).map(([name, value]) => `${name}="${value}"`).join(',');

/** A test of promtool's. */
function promtoolTest(alert: string, { at }: Case, series: Series, expected: readonly object[]): object {
  return {
    interval: '1m', name: alert,
    input_series: Object.entries(series).map(([name, values]) => ({ series: name.includes('{') ? name.replace('{', `{${place},`) : `${name}{${place}}`, values })),
    alert_rule_test: [{ eval_time: at, alertname: alert, exp_alerts: expected }],
  };
}

t.test('each rule has a case here and a row in the guide, and they their rule', (t) => {
  t.same(under(rowsOf('guides/monitoring.md'), 'Alerts').map(({ name }) => name), alerts.map(({ alert }) => alert));
  t.same(Object.keys(cases).sort(), alerts.map(({ alert }) => alert).sort());
  t.end();
});

t.test('promtool takes the file', { skip }, (t) => {
  t.match(execFileSync('promtool', ['check', 'rules', file], { encoding: 'utf8' }), /SUCCESS: \d+ rules found/);
  t.end();
});

t.test('each alert fires at what it is for, and is quiet before', { skip }, (t) => {
  const dir = t.testdir({});
  // promtool compares every word of the annotations; they are looked at below.
  const bare = { groups: rules.groups.map((group) => ({ ...group, rules: group.rules.map((rule) => ({ ...rule, annotations: undefined })) })) };
  writeFileSync(join(dir, 'rules.yml'), stringify(bare));
  const tests = alerts.flatMap(({ alert = '', labels = {} }) => {
    const one = cases[alert];
    if (one === undefined) return [];
    // What sums over everything else has lost only labels; job and instance stay with every alert.
    return [promtoolTest(alert, one, one.fires, [{ exp_labels: { ...labels, ...where, ...one.says } }]), ...one.quiet.map((series) => promtoolTest(alert, one, series, []))];
  });
  t.ok(tests.length >= 2 * alerts.length, `${tests.length} tests`);
  writeFileSync(join(dir, 'tests.yml'), stringify({ rule_files: ['rules.yml'], evaluation_interval: '1m', tests }));
  const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', join(dir, 'tests.yml')], { encoding: 'utf8' });
  t.equal(status, 0, `${stdout}${stderr}`);
  t.end();
});

t.test('each says what it is, what to do and where that stands', (t) => {
  for (const { alert = '', annotations = {}, labels } of alerts) {
    t.same(Object.keys(annotations), ['summary', 'description', 'do', 'docs'], alert);
    t.match(labels, { severity: /^(warning|critical)$/ }, alert);
    const known = ['job', 'instance', ...Object.keys(cases[alert]?.says ?? {})];
    const shown = Object.values(annotations).flatMap((text) => [...text.matchAll(/\$labels\.(\w+)/g)].map(([, name]) => name ?? ''));
    t.same(shown.filter((name) => !known.includes(name)), [], `${alert}: labels that it has`);
    const [page = '', anchor] = (annotations['docs'] ?? '').split('#');
    t.ok(existsSync(join(root, page)), `${alert}: ${page}`);
    if (anchor === undefined) continue;
    const anchors = [...readFileSync(join(root, page), 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading.toLowerCase().replaceAll(/[^\w -]/g, '').replaceAll(' ', '-'));
    t.ok(anchors.includes(anchor), `${alert}: #${anchor} of ${page}`);
  }
  t.end();
});
