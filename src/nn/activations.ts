import { gelu, geluExact, maximum, silu, tanh, type Value } from "../engine/index.js";

/** Functions of single numbers, any shape, by the names that Hugging Face configs give them. */
export const activations = {
  gelu: geluExact,
  gelu_new: gelu,
  gelu_pytorch_tanh: gelu,
  relu: (x: Value): Value => maximum(x, 0),
  silu,
  swish: silu,
  tanh,
} as const satisfies Readonly<Record<string, (x: Value) => Value>>;

/** One of {@link activations}. */
export type ActivationName = keyof typeof activations;
