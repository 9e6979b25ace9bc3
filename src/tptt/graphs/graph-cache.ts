/** What frees a compiled graph. */
interface Releasable {
  release(): Promise<void>;
}

/** Compiled graphs by kind and shape: each is made when it is first asked for, and kept. */
export class GraphCache {
  readonly #graphs = new Map<string, Promise<Releasable>>();

  /** @param kind what the graph computes; graphs of a kind and shape are the same. */
  get<T extends Releasable>(kind: string, shape: object, compile: () => Promise<T>): Promise<T> {
    const key = `${kind} ${JSON.stringify(shape)}`;
    const known = this.#graphs.get(key) as Promise<T> | undefined;
    // The last of the map is the last that was used.
    this.#graphs.delete(key);
    const graph = known ?? compile();
    this.#graphs.set(key, graph);
    if (known) return known;
    graph.catch(() => this.#graphs.delete(key));
    return graph;
  }

  /** Frees all graphs but the `keep` that were used last. None that is freed may be running. */
  async release(keep = 0): Promise<void> {
    const freed = [...this.#graphs].slice(0, Math.max(0, this.#graphs.size - keep));
    for (const [key, graph] of freed) {
      this.#graphs.delete(key);
      await (await graph).release();
    }
  }
}
