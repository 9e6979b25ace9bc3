import { InputError } from "../errors.js";
import type { HubObserver } from "../io/hub/hub.js";
import type { TpttConfig, TpttConfigOptions } from "../tptt/config/config.js";
import { type FromPretrainedOptions, readSavedConfig } from "../tptt/files/open-titan.js";
import { TpttModel } from "../tptt/tptt-model.js";
import { flagOf } from "./options.js";

/** How a model is held, whatever it is. */
type Held = Required<Pick<FromPretrainedOptions, "quantize" | "dtype" | "device" | "hubObserver">>;

/** What of options says how a model is held. */
export const heldAs = ({ quantize, dtype, device }: Omit<Held, "hubObserver">) => ({
  quantize,
  dtype,
  device,
});

/** What the results of a command that is read by programs tell of how the model was held. */
export const placeOf = ({ device, dtype }: TpttModel) => ({ device, dtype });

/**
 * Opens a base model as it is, or a titan or an adapter as it was saved; a mu that is given turns the memories on at that share.
 *
 * @throws InputError when one is given for a titan that learned it.
 */
export async function loadModel(path: string, magWeight: number | undefined, held: Held): Promise<TpttModel> {
  const saved = await readSavedConfig(path, held.hubObserver);
  return TpttModel.fromPretrained(path, {
    ...held,
    ...(saved ? {} : { disableLinearAttn: true }),
    ...memoriesOf(path, saved, magWeight),
  });
}

/** Opens a titan or an adapter over the base model of one that is loaded. @throws InputError as {@link loadModel}. */
export async function loadAdapter(
  model: TpttModel,
  path: string,
  magWeight: number | undefined,
  hubObserver: HubObserver,
): Promise<TpttModel> {
  const saved = await readSavedConfig(path, hubObserver);
  return model.openAdapter(path, { ...memoriesOf(path, saved, magWeight), hubObserver });
}

function memoriesOf(
  path: string,
  saved: TpttConfig | undefined,
  magWeight: number | undefined,
): TpttConfigOptions {
  if (magWeight === undefined) return {};
  if (saved?.magMode === "dynamic") {
    throw new InputError(
      flagOf("mag_weight"),
      `is ${magWeight}, but ${path} has learned its mu; leave it out`,
    );
  }
  return { magWeight, disableLinearAttn: false };
}
