import { join } from "node:path";
import { HubClient } from "./client.js";
import type { Hub } from "./hub.js";
import { chooseModelFiles } from "./model-files.js";
import { openRepository } from "./repository.js";
import { readHubSettings } from "./settings.js";

/** The hub as the environment's variables say, with the cache that Python's tools have too. */
export const hub: Hub = {
  openRepo: async (type, id, observer) =>
    openRepository(type, id, new HubClient(await readHubSettings(), observer)),
  getModel: async (id, observer) => {
    const repo = await hub.openRepo("model", id, observer);
    const { path, files } = await chooseModelFiles(repo, id.subfolder);
    return { path: join(await repo.get(files), path), commit: repo.commit };
  },
};
