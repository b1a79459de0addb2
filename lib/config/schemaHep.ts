import * as is from './checks.js';
import { leaf, required, type Group } from './schemaForm.js';

/** `hep`: where SIP and figures of media go as HEP3. */
export const hepSchema = {
  server: required('udp:host:port, tcp:host:port or tls:host:port.', is.hepServer, { example: 'udp:10.0.0.9:9060' }),
  id: leaf('Number of this service among those that send to the server (capture agent id).', is.integer(0, 4_294_967_295), 2001),
  password: leaf('What the server asks of those who send; null: nothing.', is.orNull(is.nonEmpty), null, { secret: true, sensitive: true }),
  ca: leaf('With tls: extra CA file (PEM); a relative path is below the folder of this file; null: the authorities that Node.js knows.', is.orNull(is.nonEmpty), null, { file: true }),
} satisfies Group;
