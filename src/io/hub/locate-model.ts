import { hub } from "#hub";
import { recoverFolder } from "../atomic-file.js";
import { localAccess, type ModelAccess } from "../model-access.js";
import { exists } from "../path-kind.js";
import type { HubObserver, ModelUse } from "./hub.js";
import { type HubId, parseHubId } from "./hub-id.js";

/** Where a model is. */
export interface ModelPlace {
  /** Its folder or GGUF file. */
  readonly path: string;
  /** Of one from the hub: its name there, at the commit that it is of. */
  readonly hubId?: HubId;
  readonly access: ModelAccess;
}

/** What a name says of the hub; undefined when there is something at that path, which comes first, or it can be none. */
export const hubIdOf = async (name: string): Promise<HubId | undefined> =>
  (await exists(name)) ? undefined : parseHubId(name);

/**
 * Finds the model that a name stands for: a path that is there, or one of the hub, which is downloaded unless it is in
 * the cache: all of it to load it, its configs to look at it. Anything else stays the path that it is, for whoever opens it to tell what is wrong.
 *
 * @throws InputError when the hub has no such model, or it cannot be had.
 */
export async function locateModel(name: string, observer?: HubObserver, use?: ModelUse): Promise<ModelPlace> {
  await recoverFolder(name);
  const id = await hubIdOf(name);
  if (!id) return { path: name, access: localAccess };
  const { path, commit, access } = await hub.getModel(id, observer, use);
  return { path, hubId: { ...id, revision: commit }, access };
}
