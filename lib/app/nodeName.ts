import { hostname } from 'node:os';
import type { Config } from '../config/types.js';

/** This node's name among the others: as it is configured, else the host's, in what a name may be made of. */
export function nodeName({ name }: Config['node']): string {
  return name ?? hostname().replace(/[^A-Za-z0-9._-]/g, '-').slice(0, 64);
}
