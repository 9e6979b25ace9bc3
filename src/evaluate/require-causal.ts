import { InputError } from "../errors.js";
import type { TpttModel } from "../tptt/tptt-model.js";

/** @throws InputError when a model's tokens see the ones that they would predict, so that losses say nothing. */
export function requireCausal({ base }: TpttModel): void {
  if (base.causal) return;
  throw new InputError(
    "model_type",
    `is ${base.config.modelType}, whose tokens see the one that they would predict; expected a causal model`,
  );
}
