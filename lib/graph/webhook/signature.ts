import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** Whether `header`, of X-Hub-Signature-256, is the signature of exactly these bytes by one of the secrets. The time it takes tells nothing of them. */
export function isSigned(body: Buffer, header: string, secrets: readonly string[]): boolean {
  const given = Buffer.from(/^sha256=([0-9a-f]{64})$/i.exec(header)?.[1] ?? '', 'hex');
  if (given.length !== 32) return false;
  // All are compared: which secret it was takes no other time.
  return secrets.filter((secret) => timingSafeEqual(createHmac('sha256', secret).update(body).digest(), given)).length > 0;
}

/** Whether two texts are the same, in a time that does not tell how much of them is. */
export function isSame(one: string, other: string): boolean {
  return timingSafeEqual(createHash('sha256').update(one).digest(), createHash('sha256').update(other).digest());
}
