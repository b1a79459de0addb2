// How the heap of the service may grow.
import { setFlagsFromString } from 'node:v8';

/** The live heap may grow by so many percent before V8 marks all of it. */
const GROWTH = 200;

/**
 * Lets the heap grow further between two full collections than V8 does by itself under load: the bytes of datagrams that anybody sends count as growth,
 * and the factor that V8 chooses (1.1 to 4) was 1.1 under a flood of large ones. All was marked three times a second, for some 40 ms of the event loop
 * each time (Node 20.20 in `scripts/siege`, told by --trace-gc-verbose). For the whole process; called before the service starts.
 */
export function letHeapGrow(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH}`);
}
