import { randomBytes } from 'node:crypto';

/** A part of a body. */
export interface BodyPart {
  readonly type: string;
  /** Content-Disposition; left out: what the type means by itself. */
  readonly disposition?: string;
  readonly body: string;
}

/** Several parts as one body (RFC 2046 §5.1.3), and its Content-Type. The boundary is random, so that nobody whose words are in a part can end it. */
export function multipartOf(parts: readonly BodyPart[]): { readonly type: string; readonly body: string } {
  const boundary = `wab-${randomBytes(16).toString('hex')}`;
  const written = parts.map(({ type, disposition, body }) => [
    `--${boundary}`, `Content-Type: ${type}`, ...(disposition === undefined ? [] : [`Content-Disposition: ${disposition}`]), '', body, '',
  ].join('\r\n'));
  return { type: `multipart/mixed;boundary=${boundary}`, body: `${written.join('')}--${boundary}--\r\n` };
}
