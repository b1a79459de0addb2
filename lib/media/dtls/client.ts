// The client of a handshake (RFC 5246 §7.3, RFC 6347 §4.2).
import { randomBytes } from 'node:crypto';
import { ALERT, DtlsFault, WrongCertificate } from './alerts.js';
import { isVouchedFor } from './certificate.js';
import { Assembly, encodeMessage } from './fragments.js';
import type { Fragment, Message } from './fragments.js';
import { checkSignature, makeShare, publicKeyOf, sharedSecret, signWith } from './keyExchange.js';
import * as messages from './messages.js';
import { HANDSHAKE } from './messages.js';
import { clientExtensions, OFFERED_SUITES, readChoice } from './negotiation.js';
import type { Agreed } from './negotiation.js';
import { KeySchedule } from './schedule.js';
import type { Host, Side } from './side.js';
import { checkFinished } from './side.js';

/** The server's flight, as far as it has come. */
interface Answer {
  random?: Buffer;
  agreed?: Agreed;
  certificate?: Buffer;
  exchange?: messages.ServerKeyExchange;
  /** It wants to see our certificate. */
  asks?: true;
  readonly raw: Buffer[];
}

export class ClientSide implements Side {
  private readonly random = randomBytes(messages.RANDOM_BYTES);
  private cookie: Buffer = Buffer.alloc(0);
  private hello: Message | undefined;
  private answer: Answer = { raw: [] };
  private readonly assembly = new Assembly(0);
  /** Where the server's flight begins: after its HelloVerifyRequest, if there was one. */
  private start = 0;
  private end: { readonly schedule: KeySchedule; readonly transcript: readonly Buffer[] } | undefined;

  constructor(private readonly host: Host) {}

  begin(): void {
    const body = messages.encodeClientHello({
      version: messages.DTLS_1_2, random: this.random, cookie: this.cookie, suites: OFFERED_SUITES, extensions: clientExtensions(this.host.profiles),
    });
    this.hello = encodeMessage(HANDSHAKE.clientHello, this.start, body);
    this.host.fly([this.hello]);
  }

  plain(fragments: readonly Fragment[]): void {
    for (const fragment of fragments) {
      if (this.end !== undefined) {
        // Only a last message that comes again says that ours were lost, and once a flight.
        if (fragment.type === HANDSHAKE.serverHelloDone) this.host.flyAgain();
        continue;
      }
      this.assembly.add(fragment);
      try {
        // The message after the flight's last one is the Finished, which comes sealed.
        while (this.end === undefined) {
          const message = this.assembly.take();
          if (message === undefined) break;
          this.take(message);
        }
      } catch (error) {
        this.forget();
        throw error;
      }
    }
  }

  finished(message: Message): void {
    if (this.end === undefined || message.sequence !== this.assembly.next) return;
    const { schedule, transcript } = this.end;
    checkFinished(schedule, 'server', transcript, message);
    const { client, server } = schedule.srtp();
    this.host.fly([]);
    this.host.connected({ local: client, remote: server });
  }

  forget(): void {
    if (this.end !== undefined) return;
    this.answer = { raw: [] };
    this.assembly.restart(this.start);
  }

  private take(message: Message): void {
    const { answer } = this;
    const { type, body } = message;
    if (type === HANDSHAKE.helloVerifyRequest && this.start === 0 && answer.random === undefined) {
      this.cookie = messages.readHelloVerifyRequest(body);
      this.start = 1;
      this.begin();
      return;
    }
    if (type !== this.awaited() && !(type === HANDSHAKE.serverHelloDone && answer.exchange !== undefined)) throw new DtlsFault(ALERT.unexpectedMessage, `message ${type} out of order`);
    answer.raw.push(message.raw);
    if (type === HANDSHAKE.serverHello) {
      const hello = messages.readServerHello(body);
      answer.agreed = readChoice(hello, this.host.profiles);
      answer.random = hello.random;
    } else if (type === HANDSHAKE.certificate) {
      answer.certificate = messages.readCertificate(body);
      if (answer.certificate === undefined) throw new DtlsFault(ALERT.decodeError, 'no certificate');
    } else if (type === HANDSHAKE.serverKeyExchange) {
      answer.exchange = messages.readServerKeyExchange(body);
    } else if (type === HANDSHAKE.certificateRequest) {
      answer.asks = true;
    } else {
      if (body.length > 0) throw new DtlsFault(ALERT.decodeError, 'a ServerHelloDone with content');
      this.reply();
    }
  }

  /** The next message of the server's flight; CertificateRequest may be left out. */
  private awaited(): number {
    const { random, certificate, exchange, asks } = this.answer;
    return random === undefined ? HANDSHAKE.serverHello : certificate === undefined ? HANDSHAKE.certificate : exchange === undefined ? HANDSHAKE.serverKeyExchange
      : asks === undefined ? HANDSHAKE.certificateRequest : HANDSHAKE.serverHelloDone;
  }

  private reply(): void {
    const { random, agreed, certificate, exchange, asks, raw } = this.answer;
    if (random === undefined || agreed === undefined || certificate === undefined || exchange === undefined || this.hello === undefined) throw new DtlsFault(ALERT.internalError, 'a flight that is not whole');
    const key = publicKeyOf(certificate);
    if (key.asymmetricKeyType !== agreed.suite.signer) throw new DtlsFault(ALERT.unsupportedCertificate, 'the certificate does not go with the cipher suite');
    checkSignature(key, exchange.scheme, Buffer.concat([this.random, random, exchange.params]), exchange.signature);
    // The signature is over the randoms, not over the certificate: a stranger may have put another one around the true key.
    if (!isVouchedFor(certificate, this.host.fingerprints)) throw new WrongCertificate();

    const share = makeShare(exchange.group);
    const secret = sharedSecret(share, exchange.point);
    const transcript = [this.hello.raw, ...raw];
    const flight: Message[] = [];
    const say = (type: number, body: Buffer): void => {
      const message = encodeMessage(type, this.start + 1 + flight.length, body);
      flight.push(message);
      transcript.push(message.raw);
    };
    if (asks) say(HANDSHAKE.certificate, messages.encodeCertificate(this.host.certificate.der));
    say(HANDSHAKE.clientKeyExchange, messages.encodeClientKeyExchange(share.publicKey));
    const schedule = new KeySchedule(agreed, secret, { client: this.random, server: random }, transcript);
    if (asks) say(HANDSHAKE.certificateVerify, messages.encodeSignature(signWith(this.host.certificate.key, Buffer.concat(transcript))));
    const finished = encodeMessage(HANDSHAKE.finished, this.start + 1 + flight.length, schedule.finished('client', transcript));
    this.end = { schedule, transcript: [...transcript, finished.raw] };
    this.host.writeWith(schedule.ciphers.client);
    this.host.fly([...flight, null, finished]);
    this.host.readWith(schedule.ciphers.server);
  }
}
