import { startPeer, type SimulatedPeer } from '../../../lib/simulator/index.js';

/** A phone behind a PBX: one account, one behaviour. Tone by which it is told apart, Hz. */
export interface PhoneOptions {
  readonly user: string;
  readonly password: string;
  /** host:port of the PBX, and the domain it is registrar of. */
  readonly registrar: string;
  readonly domain: string;
  /** As `parseBehaviour` reads it. */
  readonly answer: string;
  readonly tones?: [number, number];
}

/** Tones of phones that answer, Hz. */
export const toneOf = { first: [1000, 1300], second: [1600, 2000] } satisfies Record<string, [number, number]>;

/** Starts a phone at 127.0.0.1 and registers it. @throws Error when the PBX does not take it */
export async function startPhone(options: PhoneOptions): Promise<SimulatedPeer> {
  const { user, password, answer, tones } = options;
  const phone = await startPeer({ codecs: ['PCMU'], user, answer, tones, auth: { username: user, password } });
  try {
    await registerPhone(phone, options);
    return phone;
  } catch (error) {
    await phone.close();
    throw error;
  }
}

/** Registers it, again when its PBX has forgotten it. @throws Error when the PBX does not take it */
export async function registerPhone(phone: SimulatedPeer, { user, password, registrar, domain }: Pick<PhoneOptions, 'user' | 'password' | 'registrar' | 'domain'>): Promise<void> {
  const { status } = await phone.register({ registrar: `udp:${registrar}`, domain, auth: { username: user, password }, expires: 3600, contact: `<sip:${user}@127.0.0.1:${phone.port}>` });
  if (status !== 200) throw new Error(`REGISTER of ${user} was answered ${status}`);
}
