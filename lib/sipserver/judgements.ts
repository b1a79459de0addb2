import { BoundedMap } from '../util/boundedMap.js';
import { placeOf } from '../util/place.js';

/** How long an answer about a place counts, ms, and how many are kept. */
const JUDGED_FOR = 1000;
const MOST_JUDGED = 20_000;
/** Questions a second. */
const MOST_ASKED = 2000;

interface Judgement { readonly allowed: boolean; readonly until: number }

/**
 * What another thread says about addresses, for a thread that cannot wait for it: whoever is not known is let in until the answer comes. By place, as
 * bans are. Made-up addresses make us neither ask without end nor forget a ban of somebody who goes on sending.
 */
export class Judgements {
  private readonly known = new BoundedMap<string, Judgement>(MOST_JUDGED);
  private asked = { second: 0, count: 0 };

  /** `ask` is to bring an answer by judged(). `now` in ms. */
  constructor(private readonly ask: (address: string) => void, private readonly now: () => number) {}

  allow(address: string): boolean {
    const now = this.now();
    const place = placeOf(address);
    const known = this.known.get(place);
    if (known !== undefined && known.until > now) return known.allowed;
    const allowed = known?.allowed ?? true;
    if (this.mayAsk(now)) {
      this.known.set(place, { allowed, until: now + JUDGED_FOR });
      this.ask(address);
    } else if (known !== undefined && !allowed) this.known.set(place, known);
    return allowed;
  }

  judged(address: string, allowed: boolean): void {
    this.known.set(placeOf(address), { allowed, until: this.now() + JUDGED_FOR });
  }

  private mayAsk(now: number): boolean {
    const second = Math.floor(now / 1000);
    if (second !== this.asked.second) this.asked = { second, count: 0 };
    return ++this.asked.count <= MOST_ASKED;
  }
}
