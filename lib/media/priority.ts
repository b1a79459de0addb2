import { setPriority } from 'node:os';

/** A packet that waits behind signalling is heard; signalling that waits behind a packet is not noticed. */
const MEDIA_NICENESS = -10;

/** Prefers a process, or the calling thread (0), to everything else where we may (CAP_SYS_NICE); else all share alike. */
export function preferMedia(id: number): void {
  try {
    setPriority(id, MEDIA_NICENESS);
  } catch { /* not permitted, or gone: media works without it on a machine that is not overloaded */ }
}
