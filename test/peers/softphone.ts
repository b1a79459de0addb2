import { createSocket } from 'node:dgram';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, programPorts } from '../helpers/ports.js';
import { run, type Program } from './programs.js';

/** What a softphone is told of its account. */
export interface SoftphoneOptions {
  readonly user: string;
  readonly password: string;
  readonly domain: string;
  /** host:port that the domain's requests go to, and by which transport. */
  readonly registrar: string;
  readonly transport: 'udp' | 'tcp';
  /** What it sends: what it hears (baresip 1.0 does so only in the first call it answers), a tone of 440 Hz, or one of so many Hz. */
  readonly audio: 'echo' | 'tone' | number;
  /** As baresip names it; default PCMU. */
  readonly codec?: string;
  readonly srtp?: boolean;
  /** False: it only calls out. */
  readonly register?: boolean;
  /** Its line of ~/.baresip/accounts, instead of one made from the rest. */
  readonly account?: string;
  /** PEM file with certificate and key: it takes calls over TLS too, at the port after its own. */
  readonly certificate?: string;
  /** A directory for what it hears and says, as WAV files. */
  readonly record?: string;
}

/** A softphone: baresip that registers, answers at once, and is driven over its control socket. */
export interface Softphone extends Program {
  /** Has it do what its menu can: 'dial sip:…', 'hangup', 'uareg 0' … */
  command(name: string, params?: string): Promise<void>;
  /** Presses these keys one after the other. */
  press(digits: string): Promise<void>;
  /** Digits that came from the far end. */
  digits(): string;
}

/** What baresip takes for the release of a key. */
const KEY_UP = '\x04';

/** ausine speaks 48 kHz stereo only. */
function sound(audio: SoftphoneOptions['audio']): string[] {
  if (audio === 'echo') return ['audio_player aubridge,echo', 'audio_source aubridge,echo'];
  return ['audio_player aubridge,sink', `audio_source ausine,${audio === 'tone' ? 440 : audio}`, 'ausrc_srate 48000', 'ausrc_channels 2'];
}

export async function startSoftphone({ user, password, domain, registrar, transport, audio, codec = 'PCMU', srtp = false, register = true, account: given, certificate, record }: SoftphoneOptions): Promise<Softphone> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-baresip-'));
  const [port, control, console] = [await freePort(), await freePort(), await freePort()];
  const media = await programPorts();
  await writeFile(join(dir, 'config'), [
    'poll_method epoll', `sip_listen 127.0.0.1:${port}`, 'net_interface 127.0.0.1', ...(certificate === undefined ? [] : [`sip_certificate ${certificate}`]), ...sound(audio),
    'rtp_timeout 0', `rtp_ports ${media.first}-${media.last}`, 'module_path /usr/lib/baresip/modules',
    ...['g711', 'g722', 'opus', 'srtp', 'aubridge', 'ausine', ...(record === undefined ? [] : ['sndfile'])].map((name) => `module ${name}.so`), `snd_path ${record ?? dir}`, 'module_tmp account.so', 'module_app menu.so', 'module_app ctrl_tcp.so', `ctrl_tcp_listen 127.0.0.1:${control}`,
    'module cons.so', `cons_listen 127.0.0.1:${console}`, '',
  ].join('\n'));
  const account = given ?? `<sip:${user}@${domain};transport=${transport}>;outbound="sip:${registrar};transport=${transport}";auth_user=${user};auth_pass=${password};regint=${register ? 120 : 0};answermode=auto;audio_codecs=${codec}${srtp ? ';mediaenc=srtp-mand' : ''}`;
  await writeFile(join(dir, 'accounts'), `${account}\n`);
  await writeFile(join(dir, 'contacts'), '');
  const program = await run('baresip', ['-f', dir], port, () => rm(dir, { recursive: true, force: true }));
  const socket = await reach(control);
  let said = '';
  socket.on('data', (data: Buffer) => { said += data.toString(); });
  const command: Softphone['command'] = async (name, params) => {
    const text = JSON.stringify({ command: name, ...(params === undefined ? {} : { params }) });
    const from = said.length;
    // The answer is a netstring of its own; that there is one means that it was done.
    const done = new Promise<void>((resolve, reject) => {
      const settle = (how: () => void): void => {
        socket.off('data', look).off('close', gone);
        how();
      };
      const look = (): void => { if (said.includes('"response":true', from)) settle(resolve); };
      const gone = (): void => settle(() => reject(new Error('baresip has ended')));
      socket.on('data', look).on('close', gone);
    });
    socket.write(`${Buffer.byteLength(text)}:${text},`);
    await done;
  };
  return {
    ...program,
    command,
    async press(digits) {
      const keyboard = createSocket('udp4');
      for (const key of [...digits].flatMap((digit) => [digit, KEY_UP])) {
        await new Promise<void>((resolve, reject) => keyboard.send(key, console, '127.0.0.1', (error) => { if (error) reject(error); else resolve(); }));
        await new Promise((resolve) => setTimeout(resolve, 150));
      }
      keyboard.close();
    },
    digits: () => [...said.matchAll(/"type":"CALL_DTMF_START"[^}]*"param":"(.)"/g)].map(([, digit]) => digit).join(''),
    async close() {
      socket.destroy();
      await program.close();
    },
  };
}

/** The control socket is opened some time after the SIP one. */
async function reach(port: number): Promise<Socket> {
  const deadline = Date.now() + 5000;
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const error = await new Promise<Error | null>((resolve) => {
      socket.once('connect', () => resolve(null));
      socket.once('error', resolve);
    });
    if (error === null) return socket;
    if (Date.now() > deadline) throw error;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
