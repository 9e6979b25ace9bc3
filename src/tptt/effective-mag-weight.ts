import type { TpttModel } from "./tptt-model.js";

/** mu as a person is told it: 0 without a memory, nothing where it is learned for each token. */
export function effectiveMagWeight({ disableLinearAttn, config, magWeight }: TpttModel): number | undefined {
  if (disableLinearAttn) return 0;
  return config.magMode === "dynamic" ? undefined : magWeight;
}
