import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, programPorts } from '../helpers/ports.js';
import { runAsterisk } from './asteriskProcess.js';

export interface Asterisk {
  readonly port: number;
  /** What its command line says to this. */
  command(text: string): Promise<string>;
  /** Asks again and again until the answer passes. @throws when it does not within 15 s */
  until(text: string, test: (said: string) => boolean): Promise<void>;
  close(): Promise<void>;
}

/** Users of its own. */
const phones = ['6001', '6002'] as const;

/** Files of /etc/asterisk. */
function files(dir: string, port: number, media: { first: number; last: number }, service: { host: string; port: number }): Record<string, string> {
  const phone = (user: string): string => `
[${user}]
type = endpoint
context = phones
disallow = all
allow = ulaw
auth = ${user}
aors = ${user}
direct_media = no
moh_passthrough = yes
[${user}]
type = auth
username = ${user}
password = pw-${user}
[${user}]
type = aor
max_contacts = 1
`;
  return {
    'modules.conf': '[modules]\nautoload = yes\nnoload = chan_iax2.so\nnoload = chan_unistim.so\nnoload = pbx_dundi.so\nnoload = res_snmp.so\n',
    'rtp.conf': `[general]\nrtpstart = ${media.first}\nrtpend = ${media.last}\n`,
    // The endpoint towards us is that of docs/peers/asterisk.md; moh_passthrough hands a phone's hold on.
    'pjsip.conf': `[global]
type = global
endpoint_identifier_order = username,ip,anonymous
[transport-udp]
type = transport
protocol = udp
bind = 127.0.0.1:${port}
[wa-b2bua]
type = endpoint
context = from-whatsapp
aors = wa-b2bua
disallow = all
allow = ulaw
direct_media = no
moh_passthrough = yes
[wa-b2bua]
type = aor
contact = sip:${service.host}:${service.port}
[wa-b2bua]
type = identify
endpoint = wa-b2bua
match = 127.0.0.1
${phones.map(phone).join('')}`,
    'extensions.conf': `[from-whatsapp]
exten => _600[12],1,Dial(PJSIP/\${EXTEN},20,t)
exten => 6009,1,Answer()
 same => n,Wait(1)
 same => n,Transfer(PJSIP/sip:6002@127.0.0.1:${port})
 same => n,Hangup()
[phones]
exten => _600[12],1,Dial(PJSIP/\${EXTEN},20)
exten => _+X.,1,Dial(PJSIP/\${EXTEN}@wa-b2bua,20,T)
`,
    // It gives up where it cannot say something: sounds are a package of their own.
    'features.conf': `[general]
transferannouncesound = ${dir}/pause
xfersound = ${dir}/pause
xferfailsound = ${dir}/pause
[featuremap]
atxfer = *2
`,
  };
}

/** Asterisk with two phones' accounts; what is for WhatsApp goes to `service`, what comes from there to the phones. */
export async function startAsterisk(service: (port: number) => Promise<{ host: string; port: number }>): Promise<Asterisk> {
  const port = await freePort();
  const [media, at] = [await programPorts(), await service(port)];
  const pause = await mkdtemp(join(tmpdir(), 'wab-asterisk-sound-'));
  await writeFile(join(pause, 'pause.ulaw'), Buffer.alloc(800, 0xff));
  const { command, until, close } = await runAsterisk(() => new Map(Object.entries(files(pause, port, media, at))));
  return {
    port, command, until,
    async close() {
      await close();
      await rm(pause, { recursive: true, force: true });
    },
  };
}
