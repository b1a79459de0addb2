import { createSocket } from 'node:dgram';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pause } from '../scenario/harness.js';
import { freePort } from '../helpers/ports.js';
import { run, type Program } from './programs.js';

/** Payload type and rtpmap of what a sipp that echoes claims to speak. */
const SIPP_FORMATS: Readonly<Record<string, string>> = { PCMU: '0 PCMU/8000', PCMA: '8 PCMA/8000', G722: '9 G722/8000', opus: '111 opus/48000/2' };

const DONE = 'done';

/** A sipp that echoes, and holds and resumes its newest call when told to. */
export interface HoldingSipp extends Program {
  /** Its re-INVITE with `inactive`, then with `sendrecv`; each resolves when ours has answered and it has sent its ACK. */
  hold(): Promise<void>;
  resume(): Promise<void>;
}

export async function startHoldingSipp(codec: string): Promise<HoldingSipp> {
  const [port, media, dir] = [await freePort(), await freePort(), await mkdtemp(join(tmpdir(), 'wab-sipp-'))];
  await writeFile(join(dir, 'uas.xml'), holdingEcho(codec));
  const log = join(dir, 'calls');
  const sipp = await run('sipp', ['-sf', join(dir, 'uas.xml'), '-i', '127.0.0.1', '-p', String(port), '-mi', '127.0.0.1', '-mp', String(media), '-rtp_echo', '-nostdin', '-trace_logs', '-log_file', log],
    port, () => rm(dir, { recursive: true, force: true }));
  const lines = async (): Promise<string[]> => (await readFile(log, 'utf8')).trim().split('\n');
  // What a scenario can wait for is a request of its call: this one does not come from the service.
  const order = async (): Promise<void> => {
    const before = await lines();
    const socket = createSocket('udp4');
    socket.send([`OPTIONS sip:6001@127.0.0.1:${port} SIP/2.0`, `Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKorder${before.length}`, 'From: <sip:test@127.0.0.1>;tag=test', `To: <sip:6001@127.0.0.1:${port}>`,
      `Call-ID: ${before.findLast((line) => line !== DONE)!}`, `CSeq: ${before.length} OPTIONS`, 'Max-Forwards: 70', 'Content-Length: 0', '', ''].join('\r\n'), port, '127.0.0.1');
    const deadline = Date.now() + 15_000;
    while ((await lines()).length === before.length) {
      if (Date.now() > deadline) throw new Error(`sipp did not do as told: ${sipp.output()}`);
      await pause(10);
    }
    socket.close();
  };
  return { ...sipp, hold: order, resume: order };
}

/** A UAS for sipp that echoes, writes down its Call-ID, puts us on hold with `inactive` at the first OPTIONS, resumes at the second, and waits for our BYE. */
function holdingEcho(codec: string): string {
  const type = SIPP_FORMATS[codec]!.split(' ')[0]!;
  const sdp = (version: number, direction: string): string => ['', 'v=0', `o=sipp 7 ${version} IN IP4 [local_ip]`, 's=-', 'c=IN IP4 [media_ip]', 't=0 0', `m=audio [media_port] RTP/AVP ${type} [$events]`,
    `a=rtpmap:${SIPP_FORMATS[codec]!}`, 'a=rtpmap:[$events] telephone-event/8000', 'a=fmtp:[$events] 0-15', 'a=ptime:20', `a=${direction}`, ''].join('\n');
  const send = (lines: readonly string[], retransmitted = false): string => `<send${retransmitted ? ' retrans="500"' : ''}><![CDATA[\n${lines.join('\n')}\n]]></send>`;
  const answer = (status: string, body: string): string => send([`SIP/2.0 ${status}`, '[last_Via:]', '[last_From:]', '[last_To:];tag=sipp[call_number]', '[last_Call-ID:]', '[last_CSeq:]',
    'Contact: <sip:6001@[local_ip]:[local_port]>', ...(body === '' ? [] : ['Content-Type: application/sdp']), 'Content-Length: [len]', body], body !== '');
  const request = (method: string, cseq: string, body: string): string => send([`${method} [$target] SIP/2.0`, 'Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]', 'From:[$ours];tag=sipp[call_number]', 'To:[$theirs]',
    'Call-ID: [call_id]', `CSeq: ${cseq} ${method === 'ACK' ? 'ACK' : 'INVITE'}`, 'Max-Forwards: 70', 'Contact: <sip:6001@[local_ip]:[local_port]>', ...(body === '' ? [] : ['Content-Type: application/sdp']), 'Content-Length: [len]', body], method === 'INVITE');
  const reinvite = (cseq: string, direction: string): string => [request('INVITE', cseq, sdp(Number(cseq) + 1, direction)), '<recv response="100" optional="true"></recv>', '<recv response="200"></recv>', request('ACK', cseq, '')].join('\n');
  return ['<?xml version="1.0" encoding="ISO-8859-1" ?>', '<scenario name="echo that holds">',
    '<recv request="INVITE"><action>', '<log message="[call_id]"/>',
    '<ereg regexp=".*" search_in="hdr" header="From:" assign_to="theirs"/>', '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="ours"/>',
    '<ereg regexp="sip:[^;&gt;]*" search_in="hdr" header="Contact:" assign_to="target"/>',
    '<ereg regexp="rtpmap:([0-9]+) telephone-event/8000" search_in="body" assign_to="line,events"/>', '</action></recv>', '<Reference variables="line"/>',
    answer('180 Ringing', ''), answer('200 OK', sdp(1, 'sendrecv')), '<recv request="ACK"></recv>',
    ...['inactive', 'sendrecv'].flatMap((direction, i) => ['<recv request="OPTIONS"></recv>', reinvite(String(i + 1), direction), `<nop><action><log message="${DONE}"/></action></nop>`]),
    '<recv request="BYE"></recv>', answer('200 OK', ''), '</scenario>', ''].join('\n');
}
