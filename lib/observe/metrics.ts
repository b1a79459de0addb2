import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

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
  /** Counters of the embedded SIP server; null when there is none. */
  sipServer(): Readonly<Record<string, number>> | null;
  /** Peers that are watched, and whether calls go to them. */
  peers(): readonly { readonly peer: string; readonly state: string }[];
  /** Devices registered, by peer; REGISTERs by what came of them; bans that are on. */
  registrar(): { readonly devices: Readonly<Record<string, number>>; readonly results: Readonly<Record<string, number>>; readonly bans: number };
}

/** The metrics of one service instance, in a registry of their own. */
export class Metrics {
  readonly registry = new Registry();
  readonly #calls: Counter<'direction' | 'by' | 'reason' | 'status' | 'result'>;
  readonly #setup: Histogram<'direction'>;
  readonly #duration: Histogram<'direction'>;

  constructor(sources: MetricSources) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.#calls = new Counter({ name: 'wab_calls_total', help: 'Call attempts by how they ended', labelNames: ['direction', 'by', 'reason', 'status', 'result'], registers });
    this.#setup = new Histogram({
      name: 'wab_setup_seconds', help: 'From the INVITE to our 200', labelNames: ['direction'], registers,
      buckets: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 45, 90],
    });
    this.#duration = new Histogram({
      name: 'wab_call_seconds', help: 'From the answer to the end', labelNames: ['direction'], registers,
      buckets: [1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600],
    });
    new Gauge({ name: 'wab_build_info', help: 'Always 1; the version is a label', labelNames: ['version', 'node'], registers }).set({ version: sources.version, node: process.version }, 1);
    new Gauge({
      name: 'wab_certificate_expires_seconds', help: 'Seconds until the certificate that Meta sees ends; negative afterwards', registers,
      async collect() {
        const seconds = await sources.certificateExpires();
        if (seconds === null) this.remove();
        else this.set(seconds);
      },
    });
    gauge('wab_live_calls', 'Calls in progress', () => sources.liveCalls());
    gauge('wab_process_faults', 'Exceptions of ours in callbacks and timers since the start: 0 unless there is a bug', () => sources.faults());
    gauge('wab_sip_up', '1 when a SIP server is connected', () => Number(sources.sipUp()));
    gauge('wab_media_up', '1 when a media engine can take calls', () => Number(sources.mediaUp()));
    new Gauge({
      name: 'wab_media_worker_calls', help: 'Calls whose packets a media thread carries', labelNames: ['worker'], registers,
      collect() {
        for (const [worker, { calls }] of sources.mediaWorkers().entries()) this.set({ worker: String(worker) }, calls);
      },
    });
    new Gauge({
      name: 'wab_media_worker_lag_seconds', help: 'By how much the timer of a media thread is late, over some two seconds', labelNames: ['worker'], registers,
      collect() {
        for (const [worker, { lagMs }] of sources.mediaWorkers().entries()) this.set({ worker: String(worker) }, lagMs / 1000);
      },
    });
    new Gauge({
      name: 'wab_sipserver', help: 'Counters of the embedded SIP server', labelNames: ['counter'], registers,
      collect() {
        for (const [counter, value] of Object.entries(sources.sipServer() ?? {})) this.set({ counter }, value);
      },
    });

    new Gauge({
      name: 'wab_peer_up', help: '0 when a peer is out of service and gets no calls', labelNames: ['peer'], registers,
      collect() {
        this.reset();
        for (const { peer, state } of sources.peers()) this.set({ peer }, Number(state !== 'out'));
      },
    });
    new Gauge({
      name: 'wab_registered_devices', help: 'Devices registered', labelNames: ['peer'], registers,
      collect() {
        this.reset();
        for (const [peer, count] of Object.entries(sources.registrar().devices)) this.set({ peer }, count);
      },
    });
    new Gauge({
      name: 'wab_register_requests', help: 'REGISTER requests since the start, by what came of them', labelNames: ['result'], registers,
      collect() {
        for (const [result, count] of Object.entries(sources.registrar().results)) this.set({ result }, count);
      },
    });
    gauge('wab_bans', 'Addresses and users banned now', () => sources.registrar().bans);

    function gauge(name: string, help: string, read: () => number): void {
      new Gauge({ name, help, registers, collect() { this.set(read()); } });
    }
  }

  ended(direction: string, termination: { by: string; reason: string; status: number; result: string }, setupMs: number | null, durationMs: number | null): void {
    this.#calls.inc({ direction, by: termination.by, reason: termination.reason, status: String(termination.status), result: termination.result });
    if (setupMs !== null && durationMs !== null) this.#setup.observe({ direction }, setupMs / 1000);
    if (durationMs !== null) this.#duration.observe({ direction }, durationMs / 1000);
  }

  /** Prometheus text format. */
  text(): Promise<string> {
    return this.registry.metrics();
  }
}
