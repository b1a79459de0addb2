// How long a FreeSWITCH is waited for, and when it counts as gone.

/** Delays between attempts to connect, in milliseconds; the last one repeats. */
export const BACK_OFF = [200, 500, 1000, 2000, 5000];
/** Heartbeats come every 2 s (freeswitch/autoload_configs/switch.conf.xml); so long without one and the connection is tried anew. */
export const HEARTBEAT_PATIENCE = 7000;
/** So long without a connection and without a packet, and it counts as gone, in milliseconds. */
export const GONE_MS = 30_000;
/** The same where its machine says that nobody listens at its event socket: the streams of live calls have a packet every 20 ms. */
export const REFUSED_MS = 150;
/** An attempt and the pause before it last no longer than this, whatever the clock says; and how long it may take to show that it is there. */
export const MOST_SILENT_MS = 12_000;
export const RESPONSE_PATIENCE = 700;
/** When an INVITE of ours that failed has made its channel at the latest, in milliseconds. */
export const LATE_CHANNEL = 500;
