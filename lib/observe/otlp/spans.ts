import { randomBytes } from 'node:crypto';

/** A value of an attribute; null: the attribute is left out. */
export type AttributeValue = string | number | boolean | null;
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** A step of a call, in milliseconds since 1970; `to` null: it lasts until the call ends. */
export interface Step {
  readonly name: string;
  readonly from: number;
  readonly to: number | null;
  readonly attributes: Attributes;
}

/** A call as a trace: one span for it and one below for each step. */
export interface CallTrace {
  /** A UUID, which is the trace's id without its hyphens. */
  readonly call: string;
  readonly from: number;
  readonly to: number;
  readonly attributes: Attributes;
  readonly steps: readonly Step[];
  /** What went wrong, for a person; null: nothing did. */
  readonly failure: string | null;
  /** What has no length. */
  readonly moments: readonly { readonly name: string; readonly at: number; readonly attributes: Attributes }[];
}

/** Numbers of the OpenTelemetry protocol (opentelemetry-proto 1.x, trace.proto). */
const KIND = { internal: 1, server: 2 } as const;
const STATUS = { unset: 0, error: 2 } as const;

type Json = Readonly<Record<string, unknown>>;

/** The spans of a call as OTLP has them in JSON (opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding": ids in hex, times as decimal strings). */
export function spansOf({ call, from, to, attributes, steps, moments, failure }: CallTrace): Json[] {
  const traceId = call.replaceAll('-', '');
  const root = spanId();
  const end = Math.max(from, to);
  return [
    {
      traceId, spanId: root, name: 'call', kind: KIND.server, startTimeUnixNano: nanos(from), endTimeUnixNano: nanos(end), attributes: attributesOf(attributes),
      events: moments.map(({ name, at, attributes: own }) => ({ timeUnixNano: nanos(at), name, attributes: attributesOf(own) })),
      status: failure === null ? { code: STATUS.unset } : { code: STATUS.error, message: failure },
    },
    ...steps.map((step) => ({
      traceId, spanId: spanId(), parentSpanId: root, name: step.name, kind: KIND.internal, startTimeUnixNano: nanos(step.from), endTimeUnixNano: nanos(Math.max(step.from, step.to ?? end)),
      attributes: attributesOf(step.attributes), status: { code: STATUS.unset },
    })),
  ];
}

/** The body of an ExportTraceServiceRequest. */
export function exportRequest(resource: Attributes, version: string, spans: readonly Json[]): Json {
  return { resourceSpans: [{ resource: { attributes: attributesOf(resource) }, scopeSpans: [{ scope: { name: 'wa-b2bua', version }, spans }] }] };
}

/** Eight bytes that are not all zero. */
function spanId(): string {
  const id = randomBytes(8);
  id[0] = (id[0] ?? 0) | 1;
  return id.toString('hex');
}

/** Nanoseconds are beyond what a number holds exactly. */
const nanos = (ms: number): string => `${Math.round(ms)}000000`;

function attributesOf(attributes: Attributes): Json[] {
  return Object.entries(attributes).flatMap(([key, value]) => (value === null ? [] : [{ key, value: anyValue(value) }]));
}

function anyValue(value: string | number | boolean): Json {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  // 64 bits are a string in JSON.
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}
