import type { FrozenWeights } from "../../engine/index.js";
import { GraphCache } from "./graph-cache.js";

/** A base model that is loaded: titans over it share its weights, and those that are built alike their graphs too. */
export class SharedBase {
  /** Its folder or GGUF file. */
  readonly path: string;
  readonly frozen: FrozenWeights;
  readonly #graphs = new Map<string, GraphCache>();

  constructor(path: string, frozen: FrozenWeights) {
    this.path = path;
    this.frozen = frozen;
  }

  /** The graphs of titans of one build. @param build the same for those that differ in what graphs are given alone. */
  graphsOf(build: string): GraphCache {
    const graphs = this.#graphs.get(build) ?? new GraphCache();
    this.#graphs.set(build, graphs);
    return graphs;
  }

  /** Frees all graphs, and the weights. */
  async dispose(): Promise<void> {
    for (const graphs of this.#graphs.values()) await graphs.release();
    await this.frozen.dispose();
  }
}
