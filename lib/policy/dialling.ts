import { getCountries, getCountryCallingCode, Metadata } from 'libphonenumber-js/min';

/** What is the same for all countries of a calling code. */
interface CallingCode {
  /** Lengths of national numbers that each of them has. */
  readonly lengths: ReadonlySet<number>;
  /** A national prefix that some write behind the calling code, and that would be taken out; null: there is none. */
  readonly prefix: RegExp | null;
}

/** The part of the library's numbering plan that its types leave out. */
interface Plan { possibleLengths(): number[]; nationalPrefixForParsing(): string | undefined }

const callingCodes: ReadonlyMap<string, CallingCode> = readCodes();

/**
 * Whether a number in E.164 with '+' is one as it stands, told from its length alone: the library would give it back unchanged, whatever
 * country of its calling code it is of. False: ask the library, which takes ten times as long.
 */
export function isPlainlyPossible(number: string): boolean {
  // ITU-T E.164 §6.2.1: calling codes are of one to three digits, and none begins another.
  for (let length = 2; length <= 4; length += 1) {
    const code = callingCodes.get(number.slice(1, length));
    if (code === undefined) continue;
    const national = number.slice(length);
    return code.lengths.has(national.length) && !(code.prefix?.test(national) ?? false);
  }
  return false;
}

function readCodes(): Map<string, CallingCode> {
  const codes = new Map<string, CallingCode>();
  const metadata = new Metadata();
  const planOf = (name: string): Plan => {
    metadata.selectNumberingPlan(name as Parameters<Metadata['selectNumberingPlan']>[0]);
    return metadata.numberingPlan as unknown as Plan;
  };
  for (const country of getCountries()) {
    const code = getCountryCallingCode(country);
    const lengths = planOf(country).possibleLengths();
    const known = codes.get(code);
    if (known !== undefined) {
      codes.set(code, { ...known, lengths: new Set(lengths.filter((length) => known.lengths.has(length))) });
      continue;
    }
    // The library takes the prefix from the plan of the calling code, before it knows the country.
    const plan = planOf(code);
    const prefix = plan.nationalPrefixForParsing();
    const main = new Set(plan.possibleLengths());
    codes.set(code, { lengths: new Set(lengths.filter((length) => main.has(length))), prefix: prefix === undefined ? null : new RegExp(`^(?:${prefix})`) });
  }
  return codes;
}
