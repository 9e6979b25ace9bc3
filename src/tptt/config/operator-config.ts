import { z } from "zod";
import { positiveInt } from "../../models/config-fields.js";

/** What a gate is made of: `k` keys, `v` values, `kv` both, `c` a constant (1 for alpha, 0.5 for beta). */
export type Gate = "k" | "v" | "kv" | "c";

/** How a token becomes several: `dt` derivative, `rot` rotation, `rdt` the mean of both, `cte` repetition. */
export type Trick = "dt" | "rot" | "rdt" | "cte";

/** The linear attention operator, in the paper's terms. */
export interface RecurrentConfig {
  /** Virtual tokens of a token: Householder steps. */
  readonly order: number;
  /** The forget gate. */
  readonly alphaGate: Gate;
  /** The write gate. */
  readonly betaGate: Gate;
  /** False: a non-linear memory. */
  readonly linear: boolean;
  readonly trick: Trick;
}

const mode = (changes: Partial<RecurrentConfig>): RecurrentConfig => ({
  order: 1,
  alphaGate: "c",
  betaGate: "k",
  linear: true,
  trick: "dt",
  ...changes,
});

/** The named operators. */
export const recurrentModes = {
  delta_rule: mode({}),
  gated_delta_rule: mode({ alphaGate: "k" }),
  delta_rule_v: mode({ betaGate: "v" }),
  delta_rule_kv: mode({ betaGate: "kv" }),
  delta_rule_gelu: mode({ linear: false }),
  delta_product: mode({ order: 2 }),
  gated_delta_product: mode({ order: 2, alphaGate: "k" }),
  delta_product_r: mode({ order: 2, trick: "rot" }),
  delta_product_c: mode({ order: 2, trick: "rdt" }),
} as const satisfies Record<string, RecurrentConfig>;

/** Name of an operator. */
export type OperatorMode = keyof typeof recurrentModes;

/**
 * How the memory computes: `exact`, the delta rule, the same for every chunk size and split of a sequence; or
 * `tptt-0.12`, what the Python package of that version computes, for titans that it trained.
 */
export const operatorForms = ["exact", "tptt-0.12"] as const;

/** One of {@link operatorForms}. */
export type OperatorForm = (typeof operatorForms)[number];

/** The pool that gates are made with. */
export interface PoolingConfig {
  /** The mean over tokens t, t + 1 and t + 2 of tptt 0.12.0, in place of t, t - 1 and t - 2. Default false. */
  readonly lookahead?: boolean;
}

/** Python's spellings that its own code does not know. */
const aliases: Readonly<Record<string, string>> = {
  "1": "c",
  derivative: "dt",
  rotative: "rot",
  combined: "rdt",
};
const aliased = <T extends string>(values: readonly [T, ...T[]]) =>
  z.preprocess((x) => (typeof x === "string" ? (aliases[x] ?? x) : x), z.enum(values));
const gate = aliased(["k", "v", "kv", "c"]);

/** The operator as it is in a file. */
export const recurrentSchema = z.object({
  order: positiveInt.max(8, "expected at most 8 virtual tokens").default(1),
  alpha_gate: gate.default("c"),
  beta_gate: gate.default("k"),
  linear: z.boolean().default(true),
  trick: aliased(["dt", "rot", "rdt", "cte"]).default("dt"),
});

const poolings = "expected { lookahead: true }, or 0.12.0's offsets 0, 1, 2 or 0, -1, -2 with mode replicate";
/** The pool as it is in a file, 0.12.0's spelling included. */
export const poolingSchema = z
  .strictObject(
    { lookahead: z.boolean(), offsets: z.array(z.number()), mode: z.literal("replicate") },
    poolings,
  )
  .partial()
  .refine(({ offsets }) => !offsets || ["0,1,2", "0,-1,-2"].includes(String(offsets)), poolings)
  .transform(({ lookahead = false, offsets }) => ({ lookahead: offsets ? offsets[1] === 1 : lookahead }));

/** The operator's fields as they are on disk. */
export const recurrentFields = ({ order, alphaGate, betaGate, linear, trick }: RecurrentConfig) => ({
  order,
  alpha_gate: alphaGate,
  beta_gate: betaGate,
  linear,
  trick,
});
