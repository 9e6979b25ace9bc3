import { readTitanConfig } from "../tptt/titan-folder.js";
import { TpttModel } from "../tptt/tptt-model.js";

/** Opens a base model as it is, or a titan as it was saved; a mu that is given turns the memories on at that share. */
export async function loadModel(path: string, magWeight: number | undefined): Promise<TpttModel> {
  if (magWeight !== undefined) return TpttModel.fromPretrained(path, { magWeight, disableLinearAttn: false });
  const isTitan = (await readTitanConfig(path)) !== undefined;
  return TpttModel.fromPretrained(path, isTitan ? {} : { disableLinearAttn: true });
}
