/** Payload type and rtpmap of what a sipp that echoes claims to speak. */
export const SIPP_FORMATS: Readonly<Record<string, string>> = { PCMU: '0 PCMU/8000', PCMA: '8 PCMA/8000', G722: '9 G722/8000', opus: '111 opus/48000/2' };

/** A UAS for sipp that echoes, puts us on hold with `inactive` so long after the answer, resumes, and waits for our BYE. Times in milliseconds. */
export function holdingEcho(codec: string, talk: number, hold: number): string {
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
    '<recv request="INVITE"><action>',
    '<ereg regexp=".*" search_in="hdr" header="From:" assign_to="theirs"/>', '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="ours"/>',
    '<ereg regexp="sip:[^;&gt;]*" search_in="hdr" header="Contact:" assign_to="target"/>',
    '<ereg regexp="rtpmap:([0-9]+) telephone-event/8000" search_in="body" assign_to="line,events"/>', '</action></recv>', '<Reference variables="line"/>',
    answer('180 Ringing', ''), answer('200 OK', sdp(1, 'sendrecv')), '<recv request="ACK"></recv>',
    `<pause milliseconds="${talk}"/>`, reinvite('1', 'inactive'), `<pause milliseconds="${hold}"/>`, reinvite('2', 'sendrecv'),
    '<recv request="BYE"></recv>', answer('200 OK', ''), '</scenario>', ''].join('\n');
}
