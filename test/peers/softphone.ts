import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freeUdpPort, run, type Program } from './programs.js';

/** What a softphone is told of its account. */
export interface SoftphoneOptions {
  readonly user: string;
  readonly password: string;
  readonly domain: string;
  /** host:port that the domain's requests go to, and by which transport. */
  readonly registrar: string;
  readonly transport: 'udp' | 'tcp';
  /** What it sends: what it hears (baresip 1.0 does so only in the first call it answers), or a tone. */
  readonly audio: 'echo' | 'tone';
}

/** A softphone: baresip that registers, answers at once, and is driven over its control socket. */
export interface Softphone extends Program {
  /** Has it do what its menu can: 'dial sip:…', 'hangup', 'uareg 0' … */
  command(name: string, params?: string): Promise<void>;
}

/** ausine speaks 48 kHz stereo only. */
const sound = {
  echo: ['audio_player aubridge,echo', 'audio_source aubridge,echo'],
  tone: ['audio_player aubridge,sink', 'audio_source ausine,440', 'ausrc_srate 48000', 'ausrc_channels 2'],
};

export async function startSoftphone({ user, password, domain, registrar, transport, audio }: SoftphoneOptions): Promise<Softphone> {
  const dir = await mkdtemp(join(tmpdir(), 'wab-baresip-'));
  const [port, control] = [await freeUdpPort(), await freeUdpPort()];
  await writeFile(join(dir, 'config'), [
    'poll_method epoll', `sip_listen 127.0.0.1:${port}`, 'net_interface 127.0.0.1', ...sound[audio],
    'rtp_timeout 0', `rtp_ports ${20_000 + (port % 1000) * 20}-${20_019 + (port % 1000) * 20}`, 'module_path /usr/lib/baresip/modules',
    ...['g711', 'aubridge', 'ausine'].map((name) => `module ${name}.so`), 'module_tmp account.so', 'module_app menu.so', 'module_app ctrl_tcp.so', `ctrl_tcp_listen 127.0.0.1:${control}`, '',
  ].join('\n'));
  const account = `<sip:${user}@${domain};transport=${transport}>;outbound="sip:${registrar};transport=${transport}";auth_user=${user};auth_pass=${password};regint=120;answermode=auto;audio_codecs=PCMU`;
  await writeFile(join(dir, 'accounts'), `${account}\n`);
  await writeFile(join(dir, 'contacts'), '');
  const program = await run('baresip', ['-f', dir], port, () => rm(dir, { recursive: true, force: true }));
  return {
    ...program,
    async command(name, params) {
      const text = JSON.stringify({ command: name, ...(params === undefined ? {} : { params }) });
      const socket = connect(control, '127.0.0.1');
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        // The answer is a netstring of its own; that there is one means that it was done.
        socket.on('data', (data: Buffer) => { if (data.includes('"response":true')) resolve(); });
        socket.write(`${Buffer.byteLength(text)}:${text},`);
      });
      socket.destroy();
    },
  };
}
