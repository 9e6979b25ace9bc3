/**
 * The encoded nodes of a graph, in the order in which they are written. ONNX Runtime walks back from the nodes that nothing reads,
 * and from a node to those that it reads; of several it runs first what is written last. So that values do not wait in
 * memory, what is made of weights alone is written first and runs right before it is needed, and what nothing reads
 * is written last and backwards, and runs in the order of the trace.
 */
export class NodeOrder {
  readonly #ofWeights: Uint8Array[] = [];
  readonly #read: Uint8Array[] = [];
  readonly #results: Uint8Array[] = [];
  #open = this.#read;

  /** Adds a node where nodes are written now: unless told, among those that others read. */
  add(node: Uint8Array): void {
    this.#open.push(node);
  }

  /** Has `write` add nodes that others read. */
  read<T>(write: () => T): T {
    return this.#into(this.#read, write);
  }

  /** Has `write` add nodes that make something of weights alone. */
  ofWeights<T>(write: () => T): T {
    return this.#into(this.#ofWeights, write);
  }

  /** Has `write` add nodes of which nothing reads the last ones. */
  result<T>(write: () => T): T {
    const nodes: Uint8Array[] = [];
    const written = this.#into(nodes, write);
    this.#results.unshift(...nodes);
    return written;
  }

  #into<T>(list: Uint8Array[], write: () => T): T {
    const before = this.#open;
    this.#open = list;
    const written = write();
    this.#open = before;
    return written;
  }

  all(): Uint8Array[] {
    return [...this.#ofWeights, ...this.#read, ...this.#results];
  }
}
