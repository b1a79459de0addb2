/** Every type of event, in the order of docs/reference/events.md. */
export const eventTypes = [
  'call.created', 'call.ringing', 'call.answered', 'call.held', 'call.resumed', 'call.transferred', 'call.transferFailed', 'call.dtmf', 'call.recorded', 'call.ended',
  'call.missed', 'permission.changed', 'voicemail.received', 'voicemail.recorded', 'callBack.kept', 'callBack.done', 'callBack.dropped', 'recording.failed', 'siprec.started', 'siprec.ended', 'siprec.failed', 'number.changed', 'peer.up', 'peer.down', 'phone.push', 'events.gap',
] as const;

export type EventType = (typeof eventTypes)[number];

/** Whether a text is '*', the beginning of a type, as 'call.*', or a type. */
export function isTypeFilter(text: string): boolean {
  return text === '*' || eventTypes.some((type) => type === text || (text.endsWith('.*') && type.startsWith(text.slice(0, -1)) && text.length > 2));
}
