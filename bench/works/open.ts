import { type FromPretrainedOptions, TpttModel } from "#dist/index.js";
import type { ModelWork } from "../work.js";

/** The model of some work, as a titan whose mu stays. */
export function open(work: ModelWork, options: FromPretrainedOptions = {}): Promise<TpttModel> {
  const { model, memory, quantize = "none", mu = 0.5 } = work;
  return TpttModel.fromPretrained(model, {
    operatorMode: memory === "off" ? "delta_rule" : memory,
    disableLinearAttn: memory === "off",
    magWeight: mu,
    quantize,
    ...options,
  });
}
