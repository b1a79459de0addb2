import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Live figures, asked when the page is read. */
export interface MetricSources {
  liveCalls(): number;
  sipUp(): boolean;
  mediaUp(): boolean;
  /** Counters of the embedded SIP server; null when there is none. */
  sipServer(): Readonly<Record<string, number>> | null;
}

/** The metrics of one service instance, in a registry of their own. */
export class Metrics {
  readonly registry = new Registry();
  readonly #calls: Counter<'direction' | 'by' | 'reason' | 'status'>;
  readonly #setup: Histogram<'direction'>;
  readonly #duration: Histogram<'direction'>;

  constructor(sources: MetricSources) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.#calls = new Counter({ name: 'wab_calls_total', help: 'Call attempts by how they ended', labelNames: ['direction', 'by', 'reason', 'status'], registers });
    this.#setup = new Histogram({
      name: 'wab_setup_seconds', help: 'From the INVITE to our 200', labelNames: ['direction'], registers,
      buckets: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 45, 90],
    });
    this.#duration = new Histogram({
      name: 'wab_call_seconds', help: 'From the answer to the end', labelNames: ['direction'], registers,
      buckets: [1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600],
    });
    gauge('wab_live_calls', 'Calls in progress', () => sources.liveCalls());
    gauge('wab_sip_up', '1 when a SIP server is connected', () => Number(sources.sipUp()));
    gauge('wab_media_up', '1 when a media engine can take calls', () => Number(sources.mediaUp()));
    new Gauge({
      name: 'wab_sipserver', help: 'Counters of the embedded SIP server', labelNames: ['counter'], registers,
      collect() {
        for (const [counter, value] of Object.entries(sources.sipServer() ?? {})) this.set({ counter }, value);
      },
    });

    function gauge(name: string, help: string, read: () => number): void {
      new Gauge({ name, help, registers, collect() { this.set(read()); } });
    }
  }

  ended(direction: string, termination: { by: string; reason: string; status: number }, setupMs: number | null, durationMs: number | null): void {
    this.#calls.inc({ direction, by: termination.by, reason: termination.reason, status: String(termination.status) });
    if (setupMs !== null) this.#setup.observe({ direction }, setupMs / 1000);
    if (durationMs !== null) this.#duration.observe({ direction }, durationMs / 1000);
  }

  /** Prometheus text format. */
  text(): Promise<string> {
    return this.registry.metrics();
  }
}
