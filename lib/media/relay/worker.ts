import { createPrivateKey, randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { Guard } from '../../util/guard.js';
import { preferMedia } from '../priority.js';
import { PcmEnd } from './agent/pcmEnd.js';
import { TeeEnd } from './agent/teeEnd.js';
import type { EndWord } from './agent/words.js';
import { RelayCall } from './relayCall.js';
import type { DtlsCertificate } from '../dtls/index.js';
import type { RelayCommand, RelayCounters, RelayReport, Remote, SideId } from './messages.js';
import { isRtcp } from './rtcp.js';
import { isRtp } from './rtp.js';
import { Side, type Place } from './side.js';
import { PortPair } from './wire/portPair.js';
import { Wire } from './wire/wire.js';

/** Step of the one timer behind all silence, music and time-outs. Calls are spread over it, so a step sends only some of them. */
const TICK_MS = 5;
/** Its step while there are no calls, which still shows that the thread runs; and how many steps without a call make it so. */
const IDLE_MS = 100;
const IDLE_AFTER = 200;
const SOCKET_BUFFER = 4 << 20;

/** What the pool hands to a new worker. */
export interface RelayWorkerData {
  /** Where engines reach the relay's one socket; null: there are none, each side has a port of its own. */
  readonly address: string | null;
  /** What it shows in DTLS: certificate and private key (PKCS #8), DER. */
  readonly certificate: { readonly der: Uint8Array; readonly key: Uint8Array; readonly fingerprint: string };
  /** What it tells of itself, in shared memory: how often its timer has run, and by how much that has been late of late, in milliseconds. */
  readonly pulse: Float64Array;
  /** Exceptions in all workers so far, in shared memory. */
  readonly faults: Int32Array;
}

/** The lateness told is an average over about so long, in milliseconds. */
const LATENESS_OVER = 2000;

/** One stall counts for no more than so many milliseconds of it: the machine stood still once, and threads that are late all the time are another matter. */
const STALL_WEIGHT = 50;

const NOTHING: RelayCounters = { meta: null, peers: {} };

const port = parentPort;
if (!port) throw new Error('worker.ts runs as a worker thread only');

// On Linux a niceness is a thread's own: the main thread keeps its.
preferMedia(0);
const { address, pulse, faults, certificate: { der, key, fingerprint } } = workerData as RelayWorkerData;
const certificate: DtlsCertificate = { der: Buffer.from(der), key: createPrivateKey({ key: Buffer.from(key), format: 'der', type: 'pkcs8' }), fingerprint };
const calls = new Map<number, RelayCall>();
/** Remote address, then remote port: whose packet this is. */
interface Known { readonly call: RelayCall; readonly side: Side }
const sides = new Map<string, Map<number, Known>>();

let reports: RelayReport[] = [];
/** What is reported in one turn goes in one message. */
function report(message: RelayReport): void {
  reports.push(message);
  if (reports.length === 1) setImmediate(flush);
}

function flush(): void {
  const told = reports;
  reports = [];
  if (told.length > 0) port?.postMessage(told);
}

/** One packet, command or turn of the timer that cannot be handled concerns one call; an exception would end all of this thread. */
const guard = new Guard(() => { Atomics.add(faults, 0, 1); }, (place, error) => report({ op: 'fault', place, text: error.stack ?? error.message }));

const socket = address === null ? null : sharedSocket(address);

function sharedSocket(at: string): Socket {
  const shared = createSocket({
    type: isIPv6(at) ? 'udp6' : 'udp4',
    recvBufferSize: SOCKET_BUFFER,
    sendBufferSize: SOCKET_BUFFER,
    // All targets are literals: keeps dns.lookup and its thread pool out of every send.
    lookup: (host, _options, done) => done(null, host, isIPv6(host) ? 6 : 4),
  });
  shared.on('message', (packet, from) => {
    const known = sides.get(from.address)?.get(from.port);
    if (known === undefined) return;
    const { call, side } = known;
    try {
      side.heard();
      if (isRtp(packet)) call.packet(side, packet, performance.now());
      else if (isRtcp(packet)) call.rtcp(side, packet, performance.now());
    } catch (error) {
      guard.fault('media packet', error);
    }
  });
  let bound = false;
  // Once bound: an engine that died answers with ICMP, and its calls are ended by whoever watches the engine. Before: the pool is told.
  shared.on('error', (error) => { if (!bound) throw error; });
  shared.bind(0, at, () => {
    bound = true;
    report({ op: 'ready', port: shared.address().port });
  });
  return shared;
}

const send = (packet: Buffer, remote: Remote): void => socket?.send(packet, 0, packet.length, remote.port, remote.address);

let lastTick = performance.now();
function beat(now: number): void {
  const gap = now - lastTick;
  lastTick = now;
  pulse[0] = (pulse[0] ?? 0) + 1;
  const late = pulse[1] ?? 0;
  pulse[1] = late + (Math.max(0, gap - step) - late) * (1 - Math.exp(-Math.min(gap, STALL_WEIGHT) / LATENESS_OVER));
}

let step = TICK_MS;
let idle = 0;
let timer = setInterval(turn, step);

/** From now on the timer has this step. */
function pace(ms: number): void {
  if (ms === step) return;
  clearInterval(timer);
  step = ms;
  lastTick = performance.now();
  timer = setInterval(turn, step);
}

function turn(): void {
  const now = performance.now();
  beat(now);
  idle = calls.size === 0 ? idle + 1 : 0;
  if (idle === IDLE_AFTER) pace(IDLE_MS);
  for (const call of calls.values()) {
    try {
      call.tick(now);
    } catch (error) {
      guard.fault('media timer', error);
    }
  }
}

function place(call: RelayCall, side: Side): void {
  const { remote } = side.place;
  if (remote === null) return;
  const ports = sides.get(remote.address) ?? new Map<number, Known>();
  ports.set(remote.port, { call, side });
  sides.set(remote.address, ports);
}

function forget(side: Side | null): void {
  const remote = side?.place.remote ?? null;
  if (remote === null) return;
  const ports = sides.get(remote.address);
  if (ports?.get(remote.port)?.side === side) ports.delete(remote.port);
  if (ports?.size === 0) sides.delete(remote.address);
}

function callOf(id: number): RelayCall {
  const call = calls.get(id) ?? new RelayCall(id, report);
  calls.set(id, call);
  pace(TICK_MS);
  return call;
}

function sideOf(call: RelayCall, id: SideId): Side | null {
  return id === 'meta' ? call.meta : call.peers.get(id) ?? null;
}

/** Opens a port for a side that is to come; one whose call has ended meanwhile is closed again. */
async function open({ call: id, side: which, address: at, port: first, rtcp, request }: Extract<RelayCommand, { op: 'open' }>): Promise<void> {
  const call = callOf(id);
  try {
    const ports = await PortPair.open(at, first, rtcp, (error) => guard.fault('media packet', error));
    if (calls.get(id) !== call) {
      ports.close();
      return report({ op: 'opened', request, fault: 'ECANCELED' });
    }
    call.wires.set(which, new Wire(ports, certificate, {
      rtp: (packet, now) => {
        const side = sideOf(call, which);
        side?.heard();
        if (side !== null) call.packet(side, packet, now);
      },
      rtcp: (packet, now) => {
        const side = sideOf(call, which);
        side?.heard();
        if (side !== null) call.rtcp(side, packet, now);
      },
      stranger: (from) => report({ op: 'stranger', call: id, side: which, address: from }),
      unsecured: (kind, reason) => report({ op: 'unsecured', call: id, side: which, kind, reason }),
    }));
    report({ op: 'opened', request, fault: null });
  } catch (error) {
    report({ op: 'opened', request, fault: (error as NodeJS.ErrnoException).code ?? String(error) });
  }
}

function placeOf(call: RelayCall, { side, path, format }: Extract<RelayCommand, { op: 'side' }>): { readonly at: Place; readonly elsewhere: boolean } | null {
  if ('end' in path) {
    const end = new PcmEnd(path.end, format.codec);
    path.end.link.on('message', (word: EndWord) => guard.run('media of an agent', () => end.take(word, performance.now())));
    return { at: { remote: null, wire: end }, elsewhere: true };
  }
  if ('remote' in path) return { at: { remote: path.remote, wire: null }, elsewhere: true };
  const wire = call.wires.get(side) ?? null;
  return wire === null ? null : { elsewhere: wire.settle(path.wire), at: { remote: null, wire } };
}

function addSide(command: Extract<RelayCommand, { op: 'side' }>, now: number): void {
  const call = callOf(command.call);
  const placed = placeOf(call, command);
  // Its port has been closed: the leg is no more.
  if (placed === null) return;
  const { at, elsewhere } = placed;
  const old = sideOf(call, command.side);
  if (old) {
    forget(old);
    call.move(old, at, command.format, now, elsewhere);
    place(call, old);
    if (command.shut) old.door = 'shut';
    call.flows(old, command.flow, now);
    return;
  }
  const { side: id, format, flow, ssrc, cname } = command;
  const side = new Side(call, { id, place: at, format, flow, ssrc, cname, send, random: () => randomInt(0x1_0000_0000) / 0x1_0000_0000 });
  if (command.shut) side.door = 'shut';
  side.silence.limitMs = command.timeoutMs;
  place(call, side);
  call.added(side, now);
}

function close(id: number): void {
  const call = calls.get(id);
  if (!call) return;
  calls.delete(id);
  forget(call.meta);
  for (const side of call.peers.values()) forget(side);
  call.close();
}

function play({ call: id, side: which, frames: sent, loop, yields, play: turn }: Extract<RelayCommand, { op: 'play' }>, now: number): void {
  const frames = sent?.map((frame) => Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)) ?? null;
  const played = (): void => report({ op: 'played', call: id, play: turn });
  const call = calls.get(id);
  const side = call === undefined ? null : sideOf(call, which);
  if (side === null) played();
  else side.outgoing.play(frames, loop, played, yields ? now : null);
}

/** What concerns a call that there is. */
function tell(call: RelayCall, command: Exclude<RelayCommand, { op: 'open' | 'side' | 'play' | 'stats' | 'close' | 'stop' }>, now: number): void {
  switch (command.op) {
    case 'secure': return call.wires.get(command.side)?.secure(now);
    case 'admit': return call.admit(command.side, command.admitted);
    case 'drop': return forget(call.drop(command.side));
    case 'start': return call.start(now, command.mediaTimeoutMs);
    case 'tee': return void call.tees.push(new TeeEnd(command.end, command.codec));
    case 'fork': return call.fork(command.side, command.track, command.state);
    case 'private': return void (call.taps.private = command.on);
    case 'watch': return call.watch(command.side);
    case 'connect': return call.connect(command.side, now);
    case 'record': return call.taps.add(command.recording, command);
    case 'recording': return call.taps.act(command.recording, command.action, now);
    case 'digit': return sideOf(call, command.side)?.outgoing.digit(command.event, command.durationMs);
  }
}

function obey(command: RelayCommand): void {
  const now = performance.now();
  switch (command.op) {
    case 'open': return void open(command);
    case 'side': return addSide(command, now);
    case 'play': return play(command, now);
    case 'stats':
    case 'close': {
      report({ op: 'stats', request: command.request, counters: calls.get(command.call)?.counters() ?? NOTHING });
      return command.op === 'close' ? close(command.call) : undefined;
    }
    case 'stop': {
      clearInterval(timer);
      socket?.close();
      for (const one of calls.values()) one.close();
      flush();
      return port?.close();
    }
    default: {
      const call = calls.get(command.call);
      if (call !== undefined) tell(call, command, now);
    }
  }
}

port.on('message', (commands: readonly RelayCommand[]) => {
  for (const command of commands) guard.run('media command', () => { obey(command); });
});

if (socket === null) report({ op: 'ready', port: 0 });
