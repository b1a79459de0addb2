import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import type { Config } from '../config/types.js';
import { mediaInterface, relayHasPorts } from '../media/interfaces.js';
import { NgClient } from '../media/rtpengine/ngClient.js';
import type { Finding, Findings } from './finding.js';
import { fail, ok, reasonOf, warn } from './finding.js';
import { tryBind } from './network.js';
import { splitHostPort } from '../util/hostPort.js';

const timeoutMs = 3000;

/** The SIP servers and media engines that the configuration names. */
export async function examineEngines({ sip, media }: Config): Promise<Findings> {
  const out: Promise<Findings>[] = [];
  if (sip.server === 'drachtio') out.push(...sip.drachtio.map(examineDrachtio));
  if (media.engine === 'freeswitch') out.push(...media.freeswitch.map(examineFreeswitch));
  if (relayHasPorts(media)) out.push(examineMediaPorts('media', media));
  if (media.engine === 'rtpengine' || (media.engine === 'freeswitch' && media.webrtc === 'rtpengine')) {
    if (media.rtpengine.spawn) out.push(examineProgram(media.rtpengine.program), examineMediaPorts('rtpengine', media.rtpengine));
    else out.push(...media.rtpengine.control.map(examineControl));
  }
  return (await Promise.all(out)).flat();
}

interface Server { readonly host: string; readonly port: number; readonly secret: string }

/** Its client protocol: `LENGTH#ID|authenticate|SECRET`, answered `…|OK|…` or `…|NO|…`. */
async function examineDrachtio({ host, port, secret }: Server): Promise<Findings> {
  const place = `${host}:${port}`;
  const payload = `doctor|authenticate|${secret}`;
  const answer = await converse(host, port, [{ when: null, say: `${payload.length}#${payload}` }], /\|(OK|NO)\|/);
  if (!answer.up) return [fail('drachtio', `${place} does not answer: ${answer.reason}`, 'start drachtio-server, or correct sip.drachtio')];
  if (answer.text === null) return [fail('drachtio', `${place} is no drachtio-server`, 'correct sip.drachtio: the port is that of its <admin>')];
  return [answer.text.includes('|NO|') ? fail('drachtio', `${place} refuses the secret`, 'sip.drachtio[].secret must be the secret of its <admin>') : ok('drachtio', `${place} answers`)];
}

/** The event socket: it asks for `auth SECRET` first. */
async function examineFreeswitch({ host, port, secret }: Server): Promise<Findings> {
  const place = `${host}:${port}`;
  const answer = await converse(host, port, [{ when: /auth\/request/, say: `auth ${secret}\n\n` }], /Reply-Text: (\+OK|-ERR)|rude-rejection/);
  if (!answer.up) return [fail('freeswitch', `${place} does not answer: ${answer.reason}`, 'start FreeSWITCH, or correct media.freeswitch')];
  if (answer.text === null) return [fail('freeswitch', `${place} is no event socket`, 'correct media.freeswitch: the port is that of mod_event_socket')];
  if (answer.text.includes('rude-rejection')) return [fail('freeswitch', `${place} does not let this address in`, 'add it to the ACL of mod_event_socket (apply-inbound-acl)')];
  return [answer.text.includes('+OK') ? ok('freeswitch', `${place} answers`) : fail('freeswitch', `${place} refuses the secret`, 'media.freeswitch[].secret must be the password of mod_event_socket')];
}

type Conversation = { readonly up: true; readonly text: string | null } | { readonly up: false; readonly reason: string };

/** Connects, says each line when what it waits for has come, and gives what was heard once `until` is in it; null when that never comes. */
function converse(host: string, port: number, lines: readonly { when: RegExp | null; say: string }[], until: RegExp): Promise<Conversation> {
  return new Promise((settle) => {
    let heard = '';
    let connected = false;
    const left = [...lines];
    const socket = connect({ host, port });
    const timer = setTimeout(() => done(connected ? { up: true, text: null } : { up: false, reason: 'no answer' }), timeoutMs);
    const done = (result: Conversation): void => {
      clearTimeout(timer);
      socket.destroy();
      settle(result);
    };
    const speak = (): void => {
      for (let next = left[0]; next !== undefined && (next.when === null || next.when.test(heard)); next = left[0]) {
        socket.write(next.say);
        left.shift();
      }
    };
    socket.once('connect', () => { connected = true; speak(); });
    socket.on('data', (data: Buffer) => {
      heard = (heard + data.toString('latin1')).slice(0, 65_536);
      speak();
      if (until.test(heard)) done({ up: true, text: heard });
    });
    socket.once('error', (error) => done(connected ? { up: true, text: null } : { up: false, reason: reasonOf(error) }));
    socket.once('close', () => done({ up: connected, text: null, reason: 'closed' }));
  });
}

async function examineProgram(program: string): Promise<Findings> {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, ['--version'], { timeout: timeoutMs });
    return [ok('rtpengine', (stdout || stderr).trim().split('\n')[0] ?? program)];
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return [missing ? fail('rtpengine', `${program} is not installed`, 'apt-get install --no-install-recommends rtpengine-daemon, or correct media.rtpengine.program')
      : fail('rtpengine', `${program} does not run: ${reasonOf(error)}`, `try it by hand: ${program} --version`)];
  }
}

/** Media addresses must be of this machine; two ports a leg, two legs and more a call (INTEROP "rtpengine"). */
async function examineMediaPorts(part: 'media' | 'rtpengine', { interface: { meta, peers }, ports: { first, last } }: Pick<Config['media'], 'interface' | 'ports'>): Promise<Findings> {
  const out: Finding[] = [];
  const key = part === 'media' ? 'media' : 'media.rtpengine';
  for (const local of new Set([meta, peers].map((text) => mediaInterface(text).local))) {
    const problem = await tryBind('udp', local, first);
    if (problem === 'EADDRNOTAVAIL') out.push(fail(part, `${local} is no address of this machine`, `correct ${key}.interface: the address of this machine, then !public behind NAT`));
    else if (problem !== null && problem !== 'EADDRINUSE') out.push(fail(part, `UDP ${local}:${first} cannot be opened: ${problem}`, `correct ${key}.ports`));
    else out.push(ok(part, `media on UDP ${local}:${first}-${last}: open them in every firewall`));
  }
  if (meta.startsWith('127.')) out.push(warn(part, `media towards Meta is on ${meta}`, `right for trying out only: Meta cannot send there; set ${key}.interface`));
  return out;
}

async function examineControl(address: string): Promise<Findings> {
  const at = splitHostPort(address);
  const answers = at !== null && at.port !== null && await pings(at.host, at.port);
  return [answers ? ok('rtpengine', `${address} answers`)
    : fail('rtpengine', `${address} does not answer a ping`, 'start rtpengine with --listen-ng there, or correct media.rtpengine.control')];
}

async function pings(host: string, port: number): Promise<boolean> {
  const client = new NgClient(host, port);
  try {
    await client.request('ping', {}, timeoutMs);
    return true;
  } catch {
    return false;
  } finally {
    client.close();
  }
}
