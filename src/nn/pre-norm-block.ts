import { add, type Value } from "../engine/index.js";
import type { Attention } from "./attention.js";
import type { ForwardContext } from "./forward-context.js";
import { Module } from "./module.js";

/** A module that treats every token by itself: a norm, a feed-forward network. */
export type TokenModule = Module & { forward(x: Value): Value };

/** What a {@link PreNormBlock} is made of. */
export interface PreNormBlockParts {
  /** Makes a norm over the hidden size. */
  readonly norm: () => TokenModule;
  readonly attention: Attention;
  readonly mlp: TokenModule;
}

/** h = x + attention(norm(x)), then h + mlp(norm(h)), under the names of Llama's checkpoints: the block of most decoders. */
export class PreNormBlock extends Module {
  readonly input_layernorm: TokenModule;
  readonly self_attn: Attention;
  readonly post_attention_layernorm: TokenModule;
  readonly mlp: TokenModule;

  constructor({ norm, attention, mlp }: PreNormBlockParts) {
    super();
    this.input_layernorm = norm();
    this.self_attn = attention;
    this.post_attention_layernorm = norm();
    this.mlp = mlp;
  }

  /** [B, S, hidden] -> [B, S, hidden] */
  forward(x: Value, context: ForwardContext): Value {
    const h = add(x, this.self_attn.forward(this.input_layernorm.forward(x), context));
    return add(h, this.mlp.forward(this.post_attention_layernorm.forward(h)));
  }
}
