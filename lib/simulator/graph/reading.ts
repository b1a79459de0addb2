// Reading what the business sends. The service has readers of its own, which these judge.

export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A mapping; an empty one for anything else. */
export function fields(value: unknown): Fields {
  return isFields(value) ? value : {};
}

export function items(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function isOneOf(value: unknown, ...known: readonly string[]): boolean {
  return typeof value === 'string' && known.includes(value);
}
