import * as is from './checks.js';
import { leaf, required, type Group } from './schemaForm.js';

/** `traces`: where each call goes as an OpenTelemetry trace. */
export const tracesSchema = {
  otlp: required('URL of the collector for OTLP over HTTP in JSON; http:// on loopback only.', is.webAddress, { example: 'http://127.0.0.1:4318/v1/traces' }),
  authorization: leaf('Value of the Authorization header, e.g. "Bearer ${OTLP_TOKEN}"; null: none is sent.', is.orNull(is.headerValue), null, { secret: true, sensitive: true }),
  service: leaf('Name under which the traces stand (service.name).', is.name, 'wa-b2bua'),
} satisfies Group;
