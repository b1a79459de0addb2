/** delta-seconds of RFC 3261 §25.1; undefined for anything else. */
export function toSeconds(text: string): number | undefined {
  const digits = text.trim();
  return /^\d{1,10}$/.test(digits) ? Number(digits) : undefined;
}
