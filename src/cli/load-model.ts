import { InputError } from "../errors.js";
import { type FromPretrainedOptions, readSavedConfig } from "../tptt/files/open-titan.js";
import { TpttModel } from "../tptt/tptt-model.js";
import { flagOf } from "./options.js";

/** How a model is held, whatever it is. */
type Held = Pick<FromPretrainedOptions, "quantize" | "device" | "hubObserver">;

/**
 * Opens a base model as it is, or a titan or an adapter as it was saved; a mu that is given turns the memories on at that share.
 *
 * @throws InputError when one is given for a titan that learned it.
 */
export async function loadModel(path: string, magWeight: number | undefined, held: Held): Promise<TpttModel> {
  const saved = await readSavedConfig(path, held.hubObserver);
  if (magWeight === undefined)
    return TpttModel.fromPretrained(path, saved ? held : { ...held, disableLinearAttn: true });
  if (saved?.magMode === "dynamic") {
    throw new InputError(
      flagOf("mag_weight"),
      `is ${magWeight}, but ${path} has learned its mu; leave it out`,
    );
  }
  return TpttModel.fromPretrained(path, { ...held, magWeight, disableLinearAttn: false });
}
