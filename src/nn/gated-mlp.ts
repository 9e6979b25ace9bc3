import { mul, scoped, type Value } from "../engine/index.js";
import { Linear } from "./layers.js";
import { Module } from "./module.js";

/** What a {@link GatedMlp} is made of. */
export interface GatedMlpOptions {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly activation: (x: Value) => Value;
  readonly bias?: boolean;
}

/** down(activation(gate(x)) * up(x)) (GLU variants, Shazeer, arXiv 2002.05202). */
export class GatedMlp extends Module {
  readonly gate_proj: Linear;
  readonly up_proj: Linear;
  readonly down_proj: Linear;
  readonly #activation: (x: Value) => Value;

  constructor({ hiddenSize, intermediateSize, activation, bias = false }: GatedMlpOptions) {
    super();
    this.gate_proj = new Linear(hiddenSize, intermediateSize, { bias });
    this.up_proj = new Linear(hiddenSize, intermediateSize, { bias });
    this.down_proj = new Linear(intermediateSize, hiddenSize, { bias });
    this.#activation = activation;
  }

  /** [.., hidden] -> [.., hidden] */
  forward(x: Value): Value {
    return scoped("mlp", () =>
      this.down_proj.forward(mul(this.#activation(this.gate_proj.forward(x)), this.up_proj.forward(x))),
    );
  }
}
