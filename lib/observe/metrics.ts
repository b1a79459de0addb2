import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { deliveryOutcomes, type DeliveryOutcome } from '../util/deliveries.js';
import { LoopLag } from './loopLag.js';

type Figures = Readonly<Record<string, number>>;

/** What may come of a request to the address of Meta's webhooks, and of a webhook that goes on to others. */
export const webhookOutcomes = ['taken', 'verified', 'badSignature', 'badVerification', 'tooLarge', 'refused', 'failed'] as const;
export const forwardOutcomes = ['forwarded', 'failed', 'dropped'] as const;
const directions = ['user-initiated', 'business-initiated'] as const;

/** prom-client gives each of these beside the metric of the kinds: gauges with a counter's name, and their sum. */
const misnamed = ['nodejs_active_resources_total', 'nodejs_active_handles_total', 'nodejs_active_requests_total'];

/** Live figures, asked when the page is read. */
export interface MetricSources {
  readonly version: string;
  liveCalls(): number;
  /** Seconds until the certificate ends; null when there is none. */
  certificateExpires(): Promise<number | null>;
  sipUp(): boolean;
  /** Exceptions that nobody caught, since the start. */
  faults(): number;
  mediaUp(): boolean;
  /** The threads that carry the packets, in a fixed order. */
  mediaWorkers(): readonly { readonly calls: number; readonly lagMs: number }[];
  /** Packets for the HEP server that were given up; null where there is none. */
  hepLost(): number | null;
  /** The embedded SIP server: what was counted since its start, what it holds now, and of what it may hold how much; null when there is none. */
  sipServer(): { readonly events: Figures; readonly inUse: Figures; readonly limits: Figures } | null;
  /** Call attempts since the start, by direction. */
  begun(): Figures;
  /** The most calls at once, of all. */
  callsLimit(): number;
  /** By number: calls now, new business-initiated calls of the last 24 hours, and the most there may be of each. */
  numbers(): Readonly<Record<string, { readonly calls: number; readonly callsLimit: number; readonly newCalls: number; readonly newCallsLimit: number }>>;
  /** By peer: calls now, attempts to reach it among them, and the most there may be. */
  peerCalls(): Readonly<Record<string, { readonly calls: number; readonly callsLimit: number }>>;
  /** Peers that are watched, and whether calls go to them. */
  peers(): readonly { readonly peer: string; readonly state: string }[];
  /** By peer: sockets of voice agents now, and what was counted of them. */
  agents(): ReadonlyMap<string, { readonly sockets: number; readonly refused: number; readonly lost: number; readonly again: number; readonly framesLost: number; readonly framesDropped: number }>;
  /** Queues: calls that wait, for how long the first of them has, and who takes them. */
  queues(): readonly { readonly queue: string; readonly waiting: number; readonly longestMs: number | null; readonly free: number; readonly busy: number }[];
  /** Number → part of its users' calls that was answered lately. */
  pickUpRates(): Readonly<Record<string, number>>;
  /** Number → settings at Meta that differ from the configuration. */
  numberDrift(): Readonly<Record<string, number>>;
  /** Recordings that go on, and those that wait for their upload; since the start: by what came of them, their seconds, packets that the recorder was too late for, uploads by what came of them. */
  siprec(): { readonly active: number; readonly outcomes: Figures };
  recordings(): { readonly active: number; readonly waiting: number; readonly outcomes: Figures; readonly seconds: number; readonly lost: number; readonly uploads: Figures };
  /** Whether the limits are kept together with other nodes, and how many those are, this one among them; null: there is this one alone. */
  shared(): { readonly up: boolean; readonly nodes: number } | null;
  /** Devices registered, by peer; REGISTERs by what came of them; bans that are on. */
  registrar(): { readonly devices: Readonly<Record<string, number>>; readonly results: Readonly<Record<string, number>>; readonly bans: number };
}

/** Words for what Meta warns of that have a line of their own: it has six, and a new one may come. */
const mostTypes = 30;

/** The metrics of one service instance, in a registry of their own. */
export class Metrics {
  readonly registry = new Registry();
  readonly #calls: Counter<'direction' | 'by' | 'reason' | 'status' | 'result'>;
  readonly #setup: Histogram<'direction'>;
  readonly #duration: Histogram<'direction'>;
  readonly #permissions: Counter<'from' | 'outcome'>;
  readonly #webhooks: Counter<'outcome'>;
  readonly #forwards: Counter<'outcome'>;
  readonly #eventWebhooks: Counter<'outcome'>;
  readonly #traces: Counter<'outcome'>;
  readonly #missed: Counter<'number' | 'reached'>;
  readonly #warnings: Counter<'number' | 'type'>;
  readonly #types = new Set<string>();
  readonly #queueCalls: Counter<'queue' | 'left'>;
  readonly #queueWait: Histogram<'queue'>;
  readonly #sunk: Counter<'sink' | 'outcome'>;

  constructor(sources: MetricSources) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    for (const name of misnamed) this.registry.removeSingleMetric(name);
    const lag = new LoopLag();
    new Gauge({
      name: 'wab_event_loop_lag_seconds', help: 'By how much the main thread was late since this page was last read', labelNames: ['percentile'], registers,
      collect() {
        const { p50, p99, max } = lag.take();
        this.set({ percentile: '50' }, p50);
        this.set({ percentile: '99' }, p99);
        this.set({ percentile: '100' }, max);
      },
    });
    this.#calls = new Counter({ name: 'wab_calls_total', help: 'Call attempts by how they ended', labelNames: ['direction', 'by', 'reason', 'status', 'result'], registers });
    this.#setup = new Histogram({
      name: 'wab_setup_seconds', help: 'From the INVITE to our 200', labelNames: ['direction'], registers,
      buckets: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 45, 90],
    });
    this.#duration = new Histogram({
      name: 'wab_call_seconds', help: 'From the answer to the end', labelNames: ['direction'], registers,
      buckets: [1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600],
    });
    this.#permissions = new Counter({ name: 'wab_permissions_total', help: 'Business-initiated calls judged by permission: who knew, what came of it', labelNames: ['from', 'outcome'], registers });
    this.#webhooks = new Counter({ name: 'wab_webhooks_total', help: "Requests to the address of Meta's webhooks, by what came of them", labelNames: ['outcome'], registers });
    this.#forwards = new Counter({ name: 'wab_webhook_forwards_total', help: 'Webhooks forwarded, by what came of it', labelNames: ['outcome'], registers });
    this.#eventWebhooks = new Counter({ name: 'wab_event_webhooks_total', help: 'Events to the webhooks of events.webhooks, by what came of them', labelNames: ['outcome'], registers });
    this.#missed = new Counter({ name: 'wab_missed_calls_total', help: "Users' calls that nobody took, as Meta tells", labelNames: ['number', 'reached'], registers });
    this.#warnings = new Counter({ name: 'wab_number_warnings_total', help: "Meta's warnings and restrictions of a number", labelNames: ['number', 'type'], registers });
    this.#sunk = new Counter({ name: 'wab_cdr_sink_records_total', help: 'Call records for cdr.sinks, by what came of them', labelNames: ['sink', 'outcome'], registers });
    this.#queueCalls = new Counter({ name: 'wab_queue_calls_total', help: 'Calls that left a queue, by how', labelNames: ['queue', 'left'], registers });
    this.#queueWait = new Histogram({
      name: 'wab_queue_wait_seconds', help: 'How long calls were in a queue that somebody took', labelNames: ['queue'], registers, buckets: [1, 5, 10, 20, 30, 60, 120, 300, 600, 1800],
    });
    // From zero on: what appears with its first event has risen by nothing in the eyes of increase().
    for (const direction of directions) {
      this.#setup.zero({ direction });
      this.#duration.zero({ direction });
    }
    for (const outcome of webhookOutcomes) this.#webhooks.inc({ outcome }, 0);
    for (const outcome of forwardOutcomes) this.#forwards.inc({ outcome }, 0);
    this.#traces = new Counter({ name: 'wab_trace_posts_total', help: 'Requests with traces to traces.otlp, by what came of them', labelNames: ['outcome'], registers });
    for (const outcome of deliveryOutcomes) { this.#eventWebhooks.inc({ outcome }, 0); this.#traces.inc({ outcome }, 0); }
    new Gauge({ name: 'wab_build_info', help: 'Always 1; the version is a label', labelNames: ['version', 'node'], registers }).set({ version: sources.version, node: process.version }, 1);
    new Gauge({
      name: 'wab_certificate_expires_seconds', help: 'Seconds until the first of the certificates that Meta and peers see, and of the CAs of peers, ends; negative afterwards', registers,
      async collect() {
        const seconds = await sources.certificateExpires();
        if (seconds === null) this.remove();
        else this.set(seconds);
      },
    });
    gauge('wab_live_calls', 'Calls in progress', () => sources.liveCalls());
    counters('wab_calls_begun_total', 'Call attempts as they begin', 'direction', () => sources.begun());
    gauge('wab_live_calls_limit', 'The most calls at once: limits.maxCalls', () => sources.callsLimit());
    counter('wab_process_faults_total', 'Exceptions of ours in callbacks and timers: 0 unless there is a bug', () => sources.faults());
    gauge('wab_sip_up', '1 when a SIP server is connected', () => Number(sources.sipUp()));
    gauge('wab_media_up', '1 when a media engine can take calls', () => Number(sources.mediaUp()));
    gauges('wab_media_worker_calls', 'Calls whose packets a media thread carries', 'worker', () => each(sources.mediaWorkers(), ({ calls }) => calls));
    gauges('wab_media_worker_lag_seconds', 'By how much the timer of a media thread is late, over some two seconds', 'worker', () => each(sources.mediaWorkers(), ({ lagMs }) => lagMs / 1000));
    counters('wab_sipserver_events_total', 'What the embedded SIP server has counted', 'event', () => sources.sipServer()?.events ?? {});
    gauges('wab_sipserver_in_use', 'What the embedded SIP server holds now', 'resource', () => sources.sipServer()?.inUse ?? {});
    gauges('wab_sipserver_limit', 'The most it may hold: sip.limits', 'resource', () => sources.sipServer()?.limits ?? {});
    gauges('wab_peer_up', '0 when a peer is out of service and gets no calls', 'peer', () => Object.fromEntries(sources.peers().map(({ peer, state }) => [peer, Number(state !== 'out')])));
    gauges('wab_peer_calls', 'Calls with a peer, attempts to reach it among them', 'peer', () => each(sources.peerCalls(), ({ calls }) => calls));
    gauges('wab_peer_calls_limit', 'The most calls with a peer at once: peers.*.maxConcurrentCalls', 'peer', () => each(sources.peerCalls(), ({ callsLimit }) => callsLimit));
    const agents = (figure: 'sockets' | 'refused' | 'lost' | 'again' | 'framesLost' | 'framesDropped'): Figures => Object.fromEntries([...sources.agents()].map(([peer, figures]) => [peer, figures[figure]]));
    gauges('wab_agent_sockets', 'Sockets of a voice agent, those that are being opened among them', 'peer', () => agents('sockets'));
    counters('wab_agent_refused_total', 'Sockets of a voice agent that were not opened', 'peer', () => agents('refused'));
    counters('wab_agent_lost_total', 'Sockets of a voice agent that were lost amid a call', 'peer', () => agents('lost'));
    counters('wab_agent_reopened_total', 'Of those, opened again in time', 'peer', () => agents('again'));
    counters('wab_agent_frames_lost_total', 'Frames of 20 ms that a voice agent did not read in time, counted as its call ends', 'peer', () => agents('framesLost'));
    counters('wab_agent_frames_dropped_total', 'Frames of 20 ms that a voice agent said more than a minute ahead, counted as its call ends', 'peer', () => agents('framesDropped'));
    gauges('wab_number_calls', 'Calls of a number', 'number', () => each(sources.numbers(), ({ calls }) => calls));
    gauges('wab_number_calls_limit', 'The most calls of a number at once: numbers.*.maxConcurrentCalls', 'number', () => each(sources.numbers(), ({ callsLimit }) => callsLimit));
    gauges('wab_number_day_calls', 'New business-initiated calls of a number in the last 24 hours', 'number', () => each(sources.numbers(), ({ newCalls }) => newCalls));
    gauges('wab_number_day_calls_limit', 'The most of them: numbers.*.newCallsPerDay', 'number', () => each(sources.numbers(), ({ newCallsLimit }) => newCallsLimit));
    gauges('wab_number_drift', 'Settings of a number at Meta that differ from the configuration', 'number', () => sources.numberDrift());
    gauges('wab_pick_up_ratio', "Part of the users' calls to a number that was answered, over cdr.pickUp.days", 'number', () => sources.pickUpRates());
    const byQueue = (): Readonly<Record<string, ReturnType<MetricSources['queues']>[number]>> => Object.fromEntries(sources.queues().map((one) => [one.queue, one]));
    gauges('wab_queue_waiting', 'Calls that wait in a queue', 'queue', () => each(byQueue(), ({ waiting }) => waiting));
    gauges('wab_queue_longest_wait_seconds', 'How long the call has waited that waits longest; 0: none waits', 'queue', () => each(byQueue(), ({ longestMs }) => (longestMs ?? 0) / 1000));
    gauges('wab_queue_free', 'Those who take calls of a queue and are free', 'queue', () => each(byQueue(), ({ free }) => free));
    gauges('wab_queue_busy', 'Those who ring, or have a call of a queue', 'queue', () => each(byQueue(), ({ busy }) => busy));
    gauges('wab_registered_devices', 'Devices registered', 'peer', () => sources.registrar().devices);
    counters('wab_register_requests_total', 'REGISTER requests, by what came of them', 'result', () => sources.registrar().results);
    counter('wab_hep_lost_total', 'Packets for the HEP server that were given up', () => sources.hepLost() ?? 0);
    gauge('wab_siprec_active', 'Recording sessions with recorders (SIPREC) now', () => sources.siprec().active);
    counters('wab_siprec_sessions_total', 'Recording sessions with recorders (SIPREC), by what came of them', 'outcome', () => sources.siprec().outcomes);
    gauge('wab_recordings_active', 'Calls that are recorded now', () => sources.recordings().active);
    counters('wab_recordings_total', 'Recordings, by what came of them', 'outcome', () => sources.recordings().outcomes);
    counter('wab_recording_seconds_total', 'Seconds that were recorded', () => sources.recordings().seconds);
    counter('wab_recording_packets_lost_total', 'Packets that the recorder was too late for', () => sources.recordings().lost);
    gauge('wab_recording_uploads_waiting', 'Recordings that are to be uploaded', () => sources.recordings().waiting);
    counters('wab_recording_uploads_total', 'Uploads of recordings, by what came of them', 'outcome', () => sources.recordings().uploads);
    gauge('wab_state_up', '0 while Redis does not keep the limits of all nodes; 1 with one node alone', () => Number(sources.shared()?.up ?? true));
    gauge('wab_state_nodes', 'Nodes that keep the limits together, this one among them', () => sources.shared()?.nodes ?? 1);
    gauge('wab_bans', 'Addresses and users banned now', () => sources.registrar().bans);

    function gauge(name: string, help: string, read: () => number): void {
      new Gauge({ name, help, registers, collect() { this.set(read()); } });
    }
    function counter(name: string, help: string, read: () => number): void {
      new Counter({
        name, help, registers,
        collect() {
          this.reset();
          this.inc(read());
        },
      });
    }
    // What is no longer told of, as a peer of an older configuration, is no longer shown.
    function gauges(name: string, help: string, label: string, read: () => Figures): void {
      new Gauge({
        name, help, labelNames: [label], registers,
        collect() {
          this.reset();
          for (const [key, value] of Object.entries(read())) this.set({ [label]: key }, value);
        },
      });
    }
    function counters(name: string, help: string, label: string, read: () => Figures): void {
      new Counter({
        name, help, labelNames: [label], registers,
        collect() {
          this.reset();
          for (const [key, value] of Object.entries(read())) this.inc({ [label]: key }, value);
        },
      });
    }
  }

  ended(direction: string, termination: { by: string; reason: string; status: number; result: string }, setupMs: number | null, durationMs: number | null): void {
    this.#calls.inc({ direction, by: termination.by, reason: termination.reason, status: String(termination.status), result: termination.result });
    if (setupMs !== null && durationMs !== null) this.#setup.observe({ direction }, setupMs / 1000);
    if (durationMs !== null) this.#duration.observe({ direction }, durationMs / 1000);
  }

  /** A call was judged by the user's permission. */
  permissionJudged({ record: { from }, ...ruling }: { readonly allowed: boolean; readonly code?: string; readonly record: { readonly from: string | null } }): void {
    this.#permissions.inc({ from: from ?? 'nobody', outcome: ruling.code ?? 'allowed' });
  }

  webhook(outcome: string): void {
    this.#webhooks.inc({ outcome });
  }

  forwarded(outcome: string): void {
    this.#forwards.inc({ outcome });
  }

  tracesPosted(outcome: DeliveryOutcome): void {
    this.#traces.inc({ outcome });
  }

  eventPosted(outcome: DeliveryOutcome): void {
    this.#eventWebhooks.inc({ outcome });
  }

  callMissed(number: string, reached: boolean): void {
    this.#missed.inc({ number, reached: String(reached) });
  }

  /** `type`: in Meta's word, of a signed webhook. */
  numberWarned(number: string, type: string): void {
    if (this.#types.size < mostTypes) this.#types.add(type);
    this.#warnings.inc({ number, type: this.#types.has(type) ? type : 'other' });
  }

  leftQueue(queue: string, left: string, waitMs: number): void {
    this.#queueCalls.inc({ queue, left });
    if (left === 'answered') this.#queueWait.observe({ queue }, waitMs / 1000);
  }

  recordSunk(sink: string, outcome: string, records: number): void {
    this.#sunk.inc({ sink, outcome }, records);
  }

  /** Prometheus text format. */
  text(): Promise<string> {
    return this.registry.metrics();
  }
}

/** One figure of each; of a list by its places. */
function each<T>(all: Readonly<Record<string, T>> | readonly T[], figure: (one: T) => number): Figures {
  return Object.fromEntries(Object.entries<T>(all).map(([key, one]) => [key, figure(one)]));
}
