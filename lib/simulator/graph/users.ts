// WhatsApp users by the names that Meta has for them: a number, a BSUID, and one of the business portfolio above (Meta's page "Business-scoped user ids").
import type { Fields } from './reading.js';

export interface StandInUser {
  /** Digits of the telephone number, without '+'. */
  readonly waId: string;
  readonly userId: string;
  readonly parentUserId: string;
}

/** The user whom "+447700900101", "447700900101", "GB.1…" or "GB.ENT.2…" names; undefined for anything else. */
export function userNamed(name: string): StandInUser | undefined {
  const hidden = /^[A-Z]{2}\.(?:ENT\.)?[12](\d{19})$/.exec(name)?.[1];
  const [digits] = /^\d{7,15}$/.exec(hidden === undefined ? name.replace(/^\+/, '') : mirrored(hidden).replace(/^0+/, '')) ?? [];
  if (digits === undefined) return undefined;
  const id = mirrored(digits.padStart(19, '0'));
  return { waId: digits, userId: `GB.1${id}`, parentUserId: `GB.ENT.2${id}` };
}

/** Each digit's complement to 9: a BSUID does not show the number, and the stand-in finds it without a table. */
function mirrored(digits: string): string {
  return digits.replace(/\d/g, (digit) => String(9 - Number(digit)));
}

/** `from`, `to` and the like, each with the ids beside it: `from_user_id`, `from_parent_user_id`. A user who hides the number is known by these alone. */
export function named(key: string, user: StandInUser, hidesNumber: boolean): Fields {
  return { ...(hidesNumber ? {} : { [key]: user.waId }), [`${key}_user_id`]: user.userId, [`${key}_parent_user_id`]: user.parentUserId };
}

/** An entry of `contacts`. */
export function contact(user: StandInUser, hidesNumber: boolean): Fields {
  return {
    profile: { name: `User ${user.waId.slice(-3)}`, username: `user.${user.waId.slice(-3)}` }, ...(hidesNumber ? {} : { wa_id: user.waId }),
    user_id: user.userId, parent_user_id: user.parentUserId,
  };
}
