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
    if (known) return known;
    const graph = compile();
    this.#graphs.set(key, graph);
    graph.catch(() => this.#graphs.delete(key));
    return graph;
  }

  /** Frees all graphs. */
  async release(): Promise<void> {
    for (const graph of this.#graphs.values()) await (await graph).release();
    this.#graphs.clear();
  }
}
