import type { EngineNode } from './sides.js';

/** The engines that a call uses, each by so many of its sides; an engine counts the call once. */
export class NodeUses {
  readonly #sides = new Map<EngineNode, number>();
  readonly #lost = new Set<EngineNode>();

  has(node: EngineNode): boolean {
    return this.#sides.has(node);
  }

  /** The one in use for longest; null: none is. */
  get first(): EngineNode | null {
    const [node = null] = this.#sides.keys();
    return node;
  }

  /** A side is made at this engine. */
  take(node: EngineNode): void {
    const sides = this.#sides.get(node) ?? 0;
    if (sides === 0) node.calls += 1;
    this.#sides.set(node, sides + 1);
  }

  /** A side at this engine is no more. */
  release(node: EngineNode): void {
    const sides = this.#sides.get(node) ?? 0;
    if (sides > 1) this.#sides.set(node, sides - 1);
    else if (this.#sides.delete(node)) this.#leave(node);
  }

  /** An engine is gone, and with it what it counts. */
  lose(node: EngineNode): void {
    this.#lost.add(node);
  }

  /** All sides are no more. */
  clear(): void {
    for (const node of this.#sides.keys()) this.#leave(node);
    this.#sides.clear();
  }

  #leave(node: EngineNode): void {
    if (!this.#lost.has(node)) node.calls -= 1;
  }
}
