import { createSocket } from 'node:dgram';
import { randomInt } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { Guard } from '../../util/guard.js';
import { preferMedia } from '../priority.js';
import { RelayCall, Side } from './relayCall.js';
import type { RelayCommand, RelayCounters, RelayReport, Remote } from './messages.js';
import { isRtcp } from './rtcp.js';
import { isRtp } from './rtp.js';

/** Step of the one timer behind all silence, music and time-outs. Calls are spread over it, so a step sends only some of them. */
const TICK_MS = 5;
const SOCKET_BUFFER = 4 << 20;

/** What the pool hands to a new worker. */
export interface RelayWorkerData {
  readonly address: string;
  /** What it tells of itself, in shared memory: how often its timer has run, and by how much that has been late of late, in milliseconds. */
  readonly pulse: Float64Array;
  /** Exceptions in all workers so far, in shared memory. */
  readonly faults: Int32Array;
}

/** The lateness told is an average over about so long, in milliseconds. */
const LATENESS_OVER = 2000;

const NOTHING: RelayCounters = { meta: null, peers: {} };

const port = parentPort;
if (!port) throw new Error('worker.ts runs as a worker thread only');

// On Linux a niceness is a thread's own: the main thread keeps its.
preferMedia(0);
const { address, pulse, faults } = workerData as RelayWorkerData;
const calls = new Map<number, RelayCall>();
/** Remote address, then remote port: whose packet this is. */
const sides = new Map<string, Map<number, Side>>();

const report = (message: RelayReport): void => port.postMessage(message);
/** One packet, command or turn of the timer that cannot be handled concerns one call; an exception would end all of this thread. */
const guard = new Guard(() => { Atomics.add(faults, 0, 1); }, (place, error) => report({ op: 'fault', place, text: error.stack ?? error.message }));

const socket = createSocket({
  type: isIPv6(address) ? 'udp6' : 'udp4',
  recvBufferSize: SOCKET_BUFFER,
  sendBufferSize: SOCKET_BUFFER,
  // All targets are literals: keeps dns.lookup and its thread pool out of every send.
  lookup: (host, _options, done) => done(null, host, isIPv6(host) ? 6 : 4),
});
const send = (packet: Buffer, remote: Remote): void => socket.send(packet, 0, packet.length, remote.port, remote.address);

socket.on('message', (packet, from) => {
  const side = sides.get(from.address)?.get(from.port);
  if (side === undefined) return;
  try {
    side.heard();
    if (isRtp(packet)) side.call.packet(side, packet, performance.now());
    else if (isRtcp(packet)) side.call.rtcp(side, packet, performance.now());
  } catch (error) {
    guard.fault('media packet', error);
  }
});
let bound = false;
// Once bound: an engine that died answers with ICMP, and its calls are ended by whoever watches the engine. Before: the pool is told.
socket.on('error', (error) => { if (!bound) throw error; });

let lastTick = performance.now();
function beat(now: number): void {
  const gap = now - lastTick;
  lastTick = now;
  pulse[0] = (pulse[0] ?? 0) + 1;
  const late = pulse[1] ?? 0;
  pulse[1] = late + (Math.max(0, gap - TICK_MS) - late) * (1 - Math.exp(-gap / LATENESS_OVER));
}

const timer = setInterval(() => {
  const now = performance.now();
  beat(now);
  for (const call of calls.values()) {
    try {
      call.tick(now);
    } catch (error) {
      guard.fault('media timer', error);
    }
  }
}, TICK_MS);

function place(side: Side): void {
  const ports = sides.get(side.remote.address) ?? new Map<number, Side>();
  ports.set(side.remote.port, side);
  sides.set(side.remote.address, ports);
}

function forget(side: Side | null): void {
  if (!side) return;
  const ports = sides.get(side.remote.address);
  if (ports?.get(side.remote.port) === side) ports.delete(side.remote.port);
  if (ports?.size === 0) sides.delete(side.remote.address);
}

function callOf(id: number): RelayCall {
  const call = calls.get(id) ?? new RelayCall(id, report);
  calls.set(id, call);
  return call;
}

function addSide(command: Extract<RelayCommand, { op: 'side' }>, now: number): void {
  const call = callOf(command.call);
  const old = command.side === 'meta' ? call.meta : call.peers.get(command.side) ?? null;
  if (old) {
    forget(old);
    old.move(command.remote, command.format);
    place(old);
    if (command.shut) old.door = 'shut';
    call.flows(old, command.flow, now);
    return;
  }
  const side = new Side(call, command.side, command.remote, command.format, command.flow, command.ssrc, () => randomInt(0x1_0000_0000) / 0x1_0000_0000, send, command.cname);
  if (command.shut) side.door = 'shut';
  side.silence.limitMs = command.timeoutMs;
  place(side);
  call.added(side, now);
}

function close(id: number): void {
  const call = calls.get(id);
  if (!call) return;
  calls.delete(id);
  forget(call.meta);
  for (const side of call.peers.values()) forget(side);
}

port.on('message', guard.wrap('media command', (command: RelayCommand) => {
  const now = performance.now();
  const call = command.op === 'stop' ? undefined : calls.get(command.call);
  switch (command.op) {
    case 'side': return addSide(command, now);
    case 'admit': return call?.admit(command.side, command.admitted);
    case 'drop': return forget(call?.drop(command.side) ?? null);
    case 'start': return call?.start(now, command.mediaTimeoutMs);
    case 'watch': return call?.watch(command.side);
    case 'connect': return call?.connect(command.side, now);
    case 'digit': return call?.meta?.outgoing.digit(command.event, command.durationMs);
    case 'play': {
      const frames = command.frames?.map((frame) => Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)) ?? null;
      const played = (): void => report({ op: 'played', call: command.call, play: command.play });
      const side = command.side === 'meta' ? call?.meta : call?.peers.get(command.side);
      return side ? side.outgoing.play(frames, command.loop, played, command.yields ? now : null) : played();
    }
    case 'stats': return report({ op: 'stats', request: command.request, counters: call?.counters() ?? NOTHING });
    case 'close': {
      report({ op: 'stats', request: command.request, counters: call?.counters() ?? NOTHING });
      return close(command.call);
    }
    case 'stop': {
      clearInterval(timer);
      socket.close();
      return port.close();
    }
  }
}));

socket.bind(0, address, () => {
  bound = true;
  report({ op: 'ready', port: socket.address().port });
});
