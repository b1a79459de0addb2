import { WabError } from '../../errors.js';
import type { EngineNode, MetaSide } from './sides.js';

/** Where Meta's side may be made. */
export interface MetaPlaces {
  /** On an engine that is not among these. @throws WabError 'MEDIA_UNAVAILABLE' when there is none. */
  make(tried: ReadonlySet<EngineNode>): { readonly node: EngineNode; readonly side: MetaSide };
  /** An engine cannot take it; false: that is all there is to be said. */
  passOver(node: EngineNode, error: WabError, tried: ReadonlySet<EngineNode>): boolean;
}

/** Runs Meta's first exchange on an engine; one that cannot take it is passed over while others are left, and gives its own error where there are none. */
export async function onFirstNode<T>(places: MetaPlaces, work: (side: MetaSide) => Promise<T>): Promise<T> {
  const tried = new Set<EngineNode>();
  for (;;) {
    const { node, side } = places.make(tried);
    try {
      return await work(side);
    } catch (error) {
      if (!(error instanceof WabError) || error.code !== 'MEDIA_UNAVAILABLE') throw error;
      tried.add(node);
      if (!places.passOver(node, error, tried)) throw error;
      await side.close();
    }
  }
}
