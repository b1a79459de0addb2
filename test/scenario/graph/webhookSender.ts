import { createHmac } from 'node:crypto';
import { connect } from 'node:net';
import { number } from '../../helpers/service.js';

export const secret = 'app-secret-of-the-test';
export const verifyToken = 'verify-me';
export const numberId = '100000000000001';
export const user = '+447700900101';
export const bsuid = 'GB.10000000000000000001';

export function signature(body: string | Buffer, key = secret): string {
  return `sha256=${createHmac('sha256', key).update(body).digest('hex')}`;
}

/** Sends a webhook as Meta does. */
export async function send(address: string, body: object | string, { headers = {}, key = secret }: { headers?: Record<string, string>; key?: string } = {}): Promise<number> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(`http://${address}/meta`, { method: 'POST', body: text, headers: { 'content-type': 'application/json', 'x-hub-signature-256': signature(text, key), ...headers } });
  await response.text();
  return response.status;
}

/** A request byte by byte; gives all that came until the server closed, or after `ms` of silence. */
export function raw(address: string, text: string | Buffer, ms = 2000): Promise<string> {
  const [host = '', port = ''] = address.split(':');
  return new Promise((resolve) => {
    let heard = '';
    const socket = connect(Number(port), host, () => socket.write(text));
    const timer = setTimeout(() => socket.destroy(), ms);
    socket.on('data', (data) => { heard += data.toString('latin1'); });
    socket.on('error', () => { /* closed by the other side */ });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(heard);
    });
  });
}

function change(field: string, value: object): object {
  return { object: 'whatsapp_business_account', entry: [{ id: '100000000000002', changes: [{ field, value: {
    messaging_product: 'whatsapp', metadata: { display_phone_number: number.slice(1), phone_number_id: numberId },
    contacts: [{ profile: { name: 'Pat Example' }, wa_id: user.slice(1), user_id: bsuid }], ...value,
  } }] }] };
}

const now = (): string => String(Math.floor(Date.now() / 1000));

export function permissionReply(id: string, response: 'accept' | 'reject', more: object = {}, at = now()): object {
  const reply = { response, response_source: 'user_action', ...(response === 'accept' ? { is_permanent: false, expiration_timestamp: String(Number(at) + 604_800) } : {}), ...more };
  return change('messages', { messages: [{ from: user.slice(1), from_user_id: bsuid, id, timestamp: at, type: 'interactive', interactive: { type: 'call_permission_reply', call_permission_reply: reply } }] });
}

export function callEvent(event: 'call_created' | 'terminate', wacid: string, direction: 'BUSINESS_INITIATED' | 'USER_INITIATED', more: object = {}): object {
  const [from, to] = direction === 'BUSINESS_INITIATED' ? [number, user] : [user, number];
  return change('calls', { calls: [{ id: wacid, from: from.slice(1), to: to.slice(1), event, timestamp: now(), direction, ...(event === 'terminate' ? { status: 'COMPLETED' } : {}), ...more }] });
}

export function voicemail(wacid: string, mediaId: string): object {
  return change('messages', { messages: [{ from: user.slice(1), id: wacid, timestamp: now(), type: 'audio', audio: { id: mediaId, mime_type: 'audio/ogg; codecs=opus' } }] });
}

export function account(value: object, list = false): object {
  return { object: 'whatsapp_business_account', entry: [{ id: '0', time: 1, changes: [{ field: 'account_update', value: list ? [{ phone_number: number.slice(1), ...value }] : { phone_number: number.slice(1), ...value } }] }] };
}

export function settings(calling: object): object {
  return { object: 'whatsapp_business_account', entry: [{ id: '100000000000002', changes: [{ field: 'account_settings_update', value: { messaging_product: 'whatsapp', timestamp: now(), type: 'phone_number_settings', phone_number_settings: { phone_number_id: numberId, calling } } }] }] };
}
