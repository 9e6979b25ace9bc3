import { join, relative } from "node:path";
import { HubClient } from "./client.js";
import type { Hub } from "./hub.js";
import { chooseModelFiles } from "./model-files.js";
import { openRepository } from "./repository.js";
import { readHubSettings } from "./settings.js";

/** The hub as the environment's variables say, with the cache that Python's tools have too. */
export const hub: Hub = {
  openRepo: async (type, id, observer) =>
    openRepository(type, id, new HubClient(await readHubSettings(), observer)),
  getModel: async (id, observer, use = "load") => {
    const repo = await hub.openRepo("model", id, observer);
    const { path, configs, tokenizer, index, weights } = await chooseModelFiles(repo, id.subfolder);
    const parts = { tokenizer, index };
    const files = use === "look" ? configs : [...configs, ...tokenizer, ...index, ...(await weights())];
    const folder = await repo.get(files);
    return {
      path: join(folder, path),
      commit: repo.commit,
      access: {
        fetch: async (part) => {
          await repo.get(parts[part]);
        },
        open: (file) => repo.open(relative(folder, file).replaceAll("\\", "/")),
      },
    };
  },
};
