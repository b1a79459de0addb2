// One DTLS 1.2 association for SRTP keys (RFC 6347, RFC 5763, RFC 5764): no socket, no timer, no clock of its own.
import { ALERT, alertName, DtlsFault, DtlsRefusal } from './alerts.js';
import type { DtlsCertificate, Fingerprint } from './certificate.js';
import { ClientSide } from './client.js';
import { Flight } from './flight.js';
import { encodeFragment, encodeMessage, readFragments } from './fragments.js';
import { HANDSHAKE } from './messages.js';
import { readRecords, RECORD, RecordReader, RecordWriter } from './records.js';
import type { DtlsRecord } from './records.js';
import { ServerSide } from './server.js';
import type { Host, Side } from './side.js';
import { SRTP_PROFILES } from './srtpProfiles.js';
import type { SrtpKeys } from '../srtp/suites.js';

export interface DtlsEvents {
  send(datagram: Buffer): void;
  /** Once: the far end has proved who it is, and both have the keys of both directions. */
  connected(keys: { local: SrtpKeys; remote: SrtpKeys }): void;
  /** Once, and last. `closed`: the far end has ended an association that was up. Nothing of it when close() was called. */
  failed(reason: string, kind: 'fingerprint' | 'handshake' | 'timeout' | 'closed'): void;
}

export interface DtlsOptions {
  readonly role: 'client' | 'server';
  readonly certificate: DtlsCertificate;
  /** Each a=fingerprint of the far end. One that fits is enough; of hashes, SHA-2 counts. */
  readonly fingerprints: readonly Fingerprint[];
  /** Names of SRTP suites, the preferred one first; without, all of them. */
  readonly profiles?: readonly string[];
  readonly events: DtlsEvents;
}

/** Milliseconds after the start. What stands in clear may be anybody's, so a fault there only shortens the wait for who knows better. */
const GIVE_UP = 30_000;
const GIVE_UP_IN_DOUBT = 10_000;
/** Milliseconds in which the true flight comes again after a certificate that is not the far end's. */
const WRONG_CERTIFICATE = 2000;
/** Sealed records that have overtaken what their keys come of: a Finished, and an alert. */
const EARLY = 4;
const EARLY_BYTES = 256;
const WARNING = 1;
const FATAL = 2;

export class DtlsEndpoint {
  private current: 'new' | 'handshaking' | 'connected' | 'failed' | 'closed' = 'new';
  private startedAt = 0;
  private now = 0;
  private side: Side | undefined;
  private flight: Flight | undefined;
  private readonly writer = new RecordWriter();
  private reader: RecordReader | undefined;
  private early: DtlsRecord[] = [];
  /** A fault in clear: why it failed, if it has by then. */
  private doubt: { readonly fault: DtlsFault; readonly until: number } | undefined;
  /** What is told once the state is in order: whoever hears it may call us. */
  private readonly news: (() => void)[] = [];

  constructor(private readonly options: DtlsOptions) {}

  get state(): 'new' | 'handshaking' | 'connected' | 'failed' | 'closed' {
    return this.current;
  }

  /** The client sends its first flight; the time that a handshake may take begins. `now` here and below: milliseconds of performance.now(). */
  start(now: number): void {
    if (this.current !== 'new') return;
    this.current = 'handshaking';
    this.startedAt = this.now = now;
    this.side = this.options.role === 'client' ? new ClientSide(this.host()) : new ServerSide(this.host());
    this.side.begin();
    this.tell();
  }

  /** A datagram whose first byte is 20 to 63 (RFC 7983 §7), from where the far end is. Never throws. */
  receive(datagram: Buffer, now: number): void {
    if (this.current === 'new' && this.options.role === 'server') this.start(now);
    this.now = now;
    for (const record of readRecords(datagram)) {
      if (this.current !== 'handshaking' && this.current !== 'connected') break;
      this.guard(() => { this.record(record); });
    }
    this.tell();
  }

  tick(now: number): void {
    this.now = now;
    if (this.current !== 'handshaking') return;
    if (this.doubt !== undefined && now >= this.doubt.until) this.fail(this.doubt.fault.message, this.doubt.fault.kind, this.doubt.fault.alert);
    else if (now - this.startedAt >= GIVE_UP) this.fail('no handshake within 30 seconds', 'timeout');
    else this.repeat(now);
    this.tell();
  }

  close(): void {
    if (this.current === 'failed' || this.current === 'closed') return;
    if (this.current === 'connected') this.alert(WARNING, ALERT.closeNotify);
    this.end('closed');
    this.tell();
  }

  private repeat(now: number): void {
    const datagrams = this.flight?.due(now) ?? [];
    if (datagrams.length === 0) return;
    if (this.flight?.isLate === true) this.side?.forget();
    this.send(datagrams);
  }

  private host(): Host {
    const { certificate, fingerprints, profiles } = this.options;
    return {
      certificate, fingerprints,
      profiles: profiles === undefined ? SRTP_PROFILES : profiles.flatMap((name) => SRTP_PROFILES.filter(({ suite }) => suite === name)),
      fly: (items, onRequest = false) => {
        this.flight = new Flight(items, this.writer, !onRequest && items.length > 0, this.now);
        this.send(this.flight.datagrams());
      },
      flyAgain: () => { this.send(this.flight?.askedFor(this.now) ?? []); },
      verify: (message) => { this.send([this.writer.write(RECORD.handshake, 0, encodeFragment(message, 0, message.body.length))]); },
      readWith: (cipher) => { this.reader = new RecordReader(cipher); },
      writeWith: (cipher) => { this.writer.cipher = cipher; },
      connected: (keys) => {
        this.current = 'connected';
        // The last flight of the server stays, for a client that has lost it.
        this.side = this.doubt = undefined;
        this.early = [];
        this.news.push(() => { this.options.events.connected(keys); });
      },
    };
  }

  private record(record: DtlsRecord): void {
    if (record.epoch === 0 && this.current === 'handshaking') {
      // ChangeCipherSpec needs no answer: the epoch of a record says what it is sealed with.
      if (record.type === RECORD.handshake) this.side?.plain(readFragments(record.body));
      else if (record.type === RECORD.alert) this.alertInClear(record.body);
      if (this.reader !== undefined) for (const one of this.early.splice(0)) this.sealed(one, this.reader);
    } else if (record.epoch === 1) {
      if (this.reader !== undefined) this.sealed(record, this.reader);
      else if (this.early.length < EARLY && record.body.length <= EARLY_BYTES) this.early.push({ ...record, place: Buffer.from(record.place), body: Buffer.from(record.body) });
    }
  }

  /** Anybody's: noted, as any fault in clear is. */
  private alertInClear(body: Buffer): void {
    if (body.length === 2 && body.readUInt8(0) === FATAL) this.note(new DtlsFault(ALERT.handshakeFailure, `the far end has sent ${alertName(body.readUInt8(1))}`));
  }

  private sealed(record: DtlsRecord, reader: RecordReader): void {
    const text = reader.open(record);
    if (text === undefined) return;
    if (record.type === RECORD.alert) this.alertOfTheirs(text);
    else if (record.type === RECORD.handshake) this.handshake(text);
    // Nothing else is spoken here: data is not looked at.
  }

  private handshake(text: Buffer): void {
    for (const { type, length, sequence, part } of readFragments(text)) {
      // A new handshake is not entered into; a Finished that comes again says that ours was lost.
      if (type !== HANDSHAKE.finished || part.length !== length) continue;
      if (this.current === 'handshaking') this.side?.finished(encodeMessage(type, sequence, part));
      else if (this.current === 'connected' && this.options.role === 'server') this.send(this.flight?.askedFor(this.now) ?? []);
    }
  }

  private alertOfTheirs(text: Buffer): void {
    if (text.length !== 2) return;
    const [level, code] = [text.readUInt8(0), text.readUInt8(1)];
    if (code === ALERT.closeNotify) {
      this.alert(WARNING, ALERT.closeNotify);
      this.over('closed', 'the far end has closed', 'closed');
    } else if (level === FATAL) {
      this.over('failed', `the far end has sent ${alertName(code)}`, this.current === 'connected' ? 'closed' : 'handshake');
    }
  }

  /** House rule 7: what others send does not throw past here. */
  private guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (error instanceof DtlsRefusal) this.fail(error.message, error.fault.kind, error.fault.alert);
      else this.note(error instanceof DtlsFault ? error : new DtlsFault(ALERT.internalError, String(error)));
    }
  }

  /** The first one counts, and more than others that of a certificate. */
  private note(fault: DtlsFault): void {
    if (this.current !== 'handshaking') return;
    if (fault.kind === 'fingerprint' && this.doubt?.fault.kind !== 'fingerprint') this.doubt = { fault, until: this.now + WRONG_CERTIFICATE };
    else this.doubt ??= { fault, until: this.startedAt + GIVE_UP_IN_DOUBT };
  }

  private fail(reason: string, kind: 'fingerprint' | 'handshake' | 'timeout', alert?: number): void {
    if (alert !== undefined) this.alert(FATAL, alert);
    this.over('failed', reason, kind);
  }

  private over(state: 'failed' | 'closed', reason: string, kind: 'fingerprint' | 'handshake' | 'timeout' | 'closed'): void {
    this.end(state);
    this.news.push(() => { this.options.events.failed(reason, kind); });
  }

  private end(state: 'failed' | 'closed'): void {
    this.current = state;
    this.side = this.flight = this.reader = this.doubt = undefined;
    this.early = [];
  }

  private alert(level: number, code: number): void {
    this.send([this.writer.write(RECORD.alert, this.writer.cipher === undefined ? 0 : 1, Buffer.of(level, code))]);
  }

  private send(datagrams: readonly Buffer[]): void {
    for (const datagram of datagrams) this.news.push(() => { this.options.events.send(datagram); });
  }

  private tell(): void {
    for (let next = this.news.shift(); next !== undefined; next = this.news.shift()) next();
  }
}
