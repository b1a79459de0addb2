// The server of a handshake (RFC 5246 §7.3, RFC 6347 §4.2).
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { ALERT, DtlsFault, DtlsRefusal, WrongCertificate } from './alerts.js';
import { isVouchedFor } from './certificate.js';
import { Assembly, encodeMessage, MOST_REPLACED, Pieces } from './fragments.js';
import type { Fragment, Message } from './fragments.js';
import { checkSignature, makeShare, publicKeyOf, sharedSecret, signWith } from './keyExchange.js';
import type { KeyShare } from './keyExchange.js';
import * as messages from './messages.js';
import { HANDSHAKE } from './messages.js';
import { choose } from './negotiation.js';
import type { Agreed } from './negotiation.js';
import { KeySchedule } from './schedule.js';
import type { Host, Side } from './side.js';
import { checkFinished } from './side.js';

/** A ClientHello that has been answered, and what came after. */
interface Attempt {
  readonly hello: Message;
  readonly agreed: Agreed;
  readonly share: KeyShare;
  readonly randoms: { readonly client: Buffer; readonly server: Buffer };
  /** Messages of both hellos' flights. */
  readonly opening: readonly Buffer[];
  readonly assembly: Assembly;
  /** The client's flight, as far as it has come. */
  certificate?: { readonly der: Buffer; readonly key: KeyObject };
  point?: Buffer;
  raw: Buffer[];
  schedule?: KeySchedule;
}

export class ServerSide implements Side {
  /** Who returns it reads what we send to where the far end is. */
  private readonly cookie = randomBytes(20);
  private attempt: Attempt | undefined;
  /** A ClientHello without and one with a cookie, as far as they have come. */
  private readonly hellos: [Pieces | undefined, Pieces | undefined] = [undefined, undefined];
  private replaced = 0;

  constructor(private readonly host: Host) {}

  begin(): void {
    // The client speaks first.
  }

  plain(fragments: readonly Fragment[]): void {
    for (const fragment of fragments) {
      if (fragment.type === HANDSHAKE.clientHello) this.helloFragment(fragment);
      else this.flightFragment(fragment);
    }
  }

  finished(message: Message): void {
    const { attempt } = this;
    if (attempt?.schedule === undefined || message.sequence !== attempt.assembly.next) return;
    const { schedule, opening, raw } = attempt;
    const transcript = [...opening, ...raw];
    checkFinished(schedule, 'client', transcript, message);
    const finished = encodeMessage(HANDSHAKE.finished, attempt.hello.sequence + 5, schedule.finished('server', [...transcript, message.raw]));
    const { client, server } = schedule.srtp();
    this.host.writeWith(schedule.ciphers.server);
    this.host.fly([null, finished], true);
    this.host.connected({ local: server, remote: client });
  }

  forget(): void {
    const { attempt } = this;
    if (attempt === undefined || attempt.schedule !== undefined) return;
    attempt.certificate = attempt.point = undefined;
    attempt.raw = [];
    attempt.assembly.restart(attempt.hello.sequence + 1);
  }

  private helloFragment(fragment: Fragment): void {
    const { sequence } = fragment;
    if (sequence !== 0 && sequence !== 1) return;
    let pieces = this.hellos[sequence];
    if (pieces !== undefined && !pieces.fits(fragment)) {
      if (this.replaced >= MOST_REPLACED) return;
      this.replaced += 1;
      pieces = undefined;
    }
    if (pieces === undefined) this.hellos[sequence] = pieces = new Pieces(fragment);
    pieces.add(fragment);
    const message = pieces.whole();
    if (message === undefined) return;
    this.hellos[sequence] = undefined;
    this.hello(message);
  }

  /**
   * ICE has shown that somebody answers at that address, so the first ClientHello needs no cookie: that saves a round trip of a call's beginning. A different one
   * that follows shows that one of them is forged; from then on the one counts that can read what we send (RFC 6347 §4.2.1).
   */
  private hello(message: Message): void {
    const { attempt } = this;
    if (attempt !== undefined && message.raw.equals(attempt.hello.raw)) {
      if (attempt.schedule === undefined) this.host.flyAgain();
      return;
    }
    const hello = messages.readClientHello(message.body);
    const { cookie } = this;
    const returned = message.sequence === 1 && hello.cookie.length === cookie.length && timingSafeEqual(hello.cookie, cookie);
    if (!returned && (attempt !== undefined || message.sequence === 1)) {
      if (message.sequence === 0) this.host.verify(encodeMessage(HANDSHAKE.helloVerifyRequest, 0, messages.encodeHelloVerifyRequest(cookie)));
      return;
    }
    this.answer(message, hello);
  }

  private answer(message: Message, hello: messages.ClientHello): void {
    const { certificate, profiles } = this.host;
    const { agreed, group, answer } = choose(hello, profiles);
    const share = makeShare(group);
    const randoms = { client: hello.random, server: randomBytes(messages.RANDOM_BYTES) };
    const params = messages.ecdhParams(group, share.publicKey);
    const signature = signWith(certificate.key, Buffer.concat([randoms.client, randoms.server, params]));
    const first = message.sequence;
    const flight = [
      encodeMessage(HANDSHAKE.serverHello, first, messages.encodeServerHello({ version: messages.DTLS_1_2, random: randoms.server, suite: agreed.suite.code, extensions: answer })),
      encodeMessage(HANDSHAKE.certificate, first + 1, messages.encodeCertificate(certificate.der)),
      encodeMessage(HANDSHAKE.serverKeyExchange, first + 2, messages.encodeServerKeyExchange(params, signature)),
      encodeMessage(HANDSHAKE.certificateRequest, first + 3, messages.encodeCertificateRequest()),
      encodeMessage(HANDSHAKE.serverHelloDone, first + 4, Buffer.alloc(0)),
    ];
    this.attempt = { hello: message, agreed, share, randoms, opening: [message.raw, ...flight.map(({ raw }) => raw)], assembly: new Assembly(first + 1), raw: [] };
    this.host.fly(flight);
  }

  private flightFragment(fragment: Fragment): void {
    const { attempt } = this;
    if (attempt === undefined || attempt.schedule !== undefined) return;
    attempt.assembly.add(fragment);
    try {
      // The message after the flight's last one is the Finished, which comes sealed.
      while (attempt.schedule === undefined) {
        const message = attempt.assembly.take();
        if (message === undefined) break;
        this.take(attempt, message);
      }
    } catch (error) {
      this.forget();
      throw error;
    }
  }

  private take(attempt: Attempt, { type, body, raw }: Message): void {
    const awaited = attempt.certificate === undefined ? HANDSHAKE.certificate : attempt.point === undefined ? HANDSHAKE.clientKeyExchange : HANDSHAKE.certificateVerify;
    if (type !== awaited) throw new DtlsFault(ALERT.unexpectedMessage, `message ${type} out of order`);
    if (type === HANDSHAKE.certificate) {
      const der = messages.readCertificate(body);
      if (der === undefined) throw new DtlsFault(ALERT.handshakeFailure, 'the far end shows no certificate');
      attempt.certificate = { der, key: publicKeyOf(der) };
    } else if (type === HANDSHAKE.clientKeyExchange) {
      attempt.point = messages.readClientKeyExchange(body);
    } else {
      this.verified(attempt, messages.readCertificateVerify(body));
    }
    attempt.raw.push(raw);
  }

  /** The client proves that its certificate is its own (RFC 5246 §7.4.8). */
  private verified(attempt: Attempt, { scheme, signature }: { scheme: number; signature: Buffer }): void {
    const { agreed, certificate, point, share, randoms, opening, raw } = attempt;
    if (certificate === undefined || point === undefined) throw new DtlsFault(ALERT.internalError, 'a flight that is not whole');
    const transcript = [...opening, ...raw];
    checkSignature(certificate.key, scheme, Buffer.concat(transcript), signature);
    // The signature is over our random and the certificate: this is the far end's own.
    if (!isVouchedFor(certificate.der, this.host.fingerprints)) throw new DtlsRefusal(new WrongCertificate());
    attempt.schedule = new KeySchedule(agreed, sharedSecret(share, point), randoms, transcript);
    this.host.fly([]);
    this.host.readWith(attempt.schedule.ciphers.client);
  }
}
