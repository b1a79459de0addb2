// How the heap of the service may grow.
import { setFlagsFromString } from 'node:v8';

/** The live heap may grow by so many percent before V8 marks all of it. */
const GROWTH = 200;

/**
 * Lets the heap grow further between two full collections than V8 does by itself. The bytes of datagrams that anybody sends count as growth: by default
 * a flood of large ones has V8 mark the whole heap three times a second, and each time a call's messages wait (measured: the p99 of the set-up time in
 * `scripts/siege`). For the whole process; called before the service starts.
 */
export function letHeapGrow(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH}`);
}
