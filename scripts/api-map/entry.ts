import type * as api from "../../src/index.js";
import type { PythonName, pythonNames } from "./python-names.js";

type Api = typeof api;
/** What a class has, on its instances or itself. */
type Members<K extends keyof Api> = Api[K] extends { readonly prototype: infer Instance }
  ? `${K}.${(keyof Instance | Exclude<keyof Api[K], "prototype">) & string}`
  : never;

/** A name that src/index.ts exports, or a member of a class that it exports. */
export type OurName = keyof Api | { [K in keyof Api]: Members<K> }[keyof Api];

/**
 * What has become of an argument: an option by its name; a parameter that stands by itself; something that lies
 * elsewhere; or nothing, and why.
 */
export type Counterpart<Options> =
  | (keyof Options & string)
  | { readonly option: keyof Options & string; readonly note: string }
  | { readonly parameter: string; readonly note?: string }
  | { readonly ours: OurName; readonly note: string }
  | { readonly none: string };

/** The types of the options that arguments have become. */
interface OptionsOf {
  "configuration_tptt.TpttConfig": api.TpttConfigOptions;
  "configuration_tptt.get_model_name": api.ModelNameOptions;
  "modeling_tptt.CausalConv1d": api.CausalConv1dOptions;
  "modeling_tptt.CausalAvgPool1d": api.CausalAvgPool1dOptions;
  "modeling_tptt.LinearAttention": api.LinearAttentionOptions;
  "modeling_tptt.LinearAttention.prepare_attention_input": api.Projections;
  "modeling_tptt.LinearAttention.compute_extended_householder": api.OperatorInputs;
  "modeling_tptt.LinearAttentionOp": api.LinearAttentionOpOptions;
  "modeling_tptt.LinearAttentionOp.forward": api.DeltaRuleInputs & api.LinearAttentionOpOptions;
  "modeling_tptt.LinearAttentionOp.chunk_delta_product_forward": api.DeltaProductInputs &
    api.DeltaProductOptions;
  "modeling_tptt.sequential_delta_product_scan": api.DeltaProductChunks & api.DeltaProductOptions;
  "modeling_tptt.MemoryAsGate": api.MemoryAsGateOptions;
  "modeling_tptt.LiZAttention": api.LiZAttentionOptions;
  "modeling_tptt.get_tptt_model": api.InjectionOptions;
  "modeling_tptt.TpttModel": api.TpttModelParts;
  "modeling_tptt.TpttModel.forward": api.ForwardInputs;
  "train_tptt.LiZACallback": api.LiZACallbackOptions;
  "train_tptt.LiZACallback.on_step_end": api.TrainerEvent;
  "train_tptt.LiZACallback.on_log": api.TrainerEvent;
  "train_tptt.SaveBestModelCallback.on_evaluate": api.TrainerEvent;
}

/** Where a Python name is here. */
export interface Entry<Options = Record<string, unknown>, Argument extends string = string> {
  readonly ours: OurName;
  /** The test file that shows it. */
  readonly test: string;
  readonly note?: string;
  readonly arguments?: Readonly<Record<Argument, Counterpart<Options>>>;
}

/** The entry of a name: one with arguments must tell of all of them. */
type EntryOf<Name extends PythonName, Argument extends string = (typeof pythonNames)[Name][number]> = [
  Argument,
] extends [never]
  ? Omit<Entry, "arguments">
  : Required<Pick<Entry<Name extends keyof OptionsOf ? OptionsOf[Name] : never, Argument>, "arguments">> &
      Omit<Entry, "arguments">;

/** All names of a Python module: one that is left out, or has an argument too few, does not compile. */
export type ModuleMap<Module extends string> = {
  readonly [Name in PythonName as Name extends `${Module}.${string}` ? Name : never]: EntryOf<Name>;
};
