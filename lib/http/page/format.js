// Figures as a person reads them.

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dated = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** Of today without the date; `iso`: ISO 8601, null gives a dash. */
export function time(iso) {
  const at = new Date(iso ?? NaN);
  if (Number.isNaN(at.getTime())) return '–';
  return (at.toDateString() === new Date().toDateString() ? clock : dated).format(at);
}

/** Milliseconds as 0:07, 12:31 or 1:02:03; null: a dash. */
export function duration(ms) {
  if (typeof ms !== 'number') return '–';
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (n) => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A figure, or a dash. */
export function figure(value, unit = '', digits = 1) {
  if (typeof value !== 'number') return '–';
  return `${Number.isInteger(value) ? value : value.toFixed(digits)}${unit}`;
}

/** 0 to 1 in per cent. */
export function share(value) {
  return typeof value === 'number' ? `${Math.round(value * 100)} %` : '–';
}

/** Estimated MOS of a call, the worse of its legs, in a word; `tone` colours it. */
export function quality(media) {
  const known = [media?.meta?.mos, media?.peer?.mos].filter((mos) => typeof mos === 'number');
  if (known.length === 0) return { text: '–', tone: '' };
  const mos = Math.min(...known);
  const [word, tone] = mos >= 4 ? ['good', 'good'] : mos >= 3.5 ? ['fair', 'warn'] : ['poor', 'bad'];
  return { text: `${word} ${mos.toFixed(1)}`, tone };
}

/** Who calls whom. */
export function parties({ direction, user, number, peer, peerUser }) {
  const [them, us] = [user ?? 'unknown user', number ?? 'unknown number'];
  const there = peer === null ? null : peerUser === null ? peer : `${peerUser}@${peer}`;
  return { from: direction === 'user-initiated' ? them : there ?? 'peer', to: direction === 'user-initiated' ? us : them, peer: there ?? '–', number: us };
}

export const directions = { 'user-initiated': 'from the user', 'business-initiated': 'to the user' };
