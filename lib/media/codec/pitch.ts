/** How alike two stretches of a signal are, -1 to 1, and how far apart they are. */
export interface Lag {
  readonly samples: number;
  readonly likeness: number;
}

/** Where a stretch of a signal is compared with another that lies `lag` before (or, for a negative `side`, behind) it. */
export interface Search {
  readonly at: number;
  readonly length: number;
  readonly least: number;
  readonly most: number;
  readonly side: 1 | -1;
}

/**
 * The lag at which a signal is most like itself, by normalized cross-correlation: first on every `step`-th sample and lag, then on all around
 * the best of those.
 */
export function bestLag(signal: Int16Array, search: Search, step: number): Lag {
  const coarse = scan(signal, search, search.least, search.most, step);
  return scan(signal, search, Math.max(search.least, coarse.samples - step + 1), Math.min(search.most, coarse.samples + step - 1), 1);
}

function scan(signal: Int16Array, { at, length, side }: Search, least: number, most: number, step: number): Lag {
  let best: Lag = { samples: least, likeness: -1 };
  let own = 1;
  for (let i = at; i < at + length; i += step) own += (signal[i] as number) ** 2;
  for (let lag = least; lag <= most; lag += step) {
    const shift = side * lag;
    let product = 0;
    let energy = 1;
    for (let i = at; i < at + length; i += step) {
      const other = signal[i - shift] as number;
      product += (signal[i] as number) * other;
      energy += other * other;
    }
    const likeness = product / Math.sqrt(energy * own);
    if (likeness > best.likeness) best = { samples: lag, likeness };
  }
  return best;
}
