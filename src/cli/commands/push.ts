import { isAbsolute, join } from "node:path";
import { z } from "zod";
import { InputError } from "../../errors.js";
import { HubClient } from "../../io/hub/client.js";
import { parseHubId } from "../../io/hub/hub-id.js";
import { readHubSettings } from "../../io/hub/settings.js";
import { uploadFiles } from "../../io/hub/upload.js";
import { readSavedConfig } from "../../tptt/files/open-titan.js";
import { defineCommand } from "../command.js";
import { common } from "../common-options.js";
import { observeHub } from "../hub-names.js";
import { complete, flag, path } from "../options.js";
import { pathsTold, pushedFiles } from "../pushed-files.js";
import { createReporter } from "../reporter.js";

const options = {
  folder: path().describe("the folder of a titan, an adapter or a model"),
  repo: z.string().describe("its name on the hub: org/name"),
  private: flag().describe("a new repository is seen by those alone who have access"),
  json: common.json,
};

export const push = defineCommand({
  name: "push",
  description: "Uploads a model's folder with its card to the hub: tptt push DIR org/name.",
  options,
  operands: ["folder", "repo"],
  async run(given, io) {
    const { folder, repo, json, private: isPrivate } = complete(options, given);
    const id = parseHubId(repo);
    if (!id || id.revision !== undefined || id.subfolder !== undefined) {
      throw new InputError("--repo", `is ${repo}, expected org/name, as its page on the hub is called`);
    }
    const reporter = createReporter({ ...io, json });
    const files = await pushedFiles(folder);
    const { paths, outside } = files;
    for (const link of outside)
      reporter.note(`left out: ${join(folder, link)} is a link that leads out of the folder`);
    const base = (await readSavedConfig(folder))?.baseModelName;
    if (base !== undefined && isAbsolute(base)) {
      reporter.note(
        `${folder}: its base model is ${base}, a path of this machine: others can open it after changing that field`,
      );
    }
    for (const { file, path } of await pathsTold(folder, files))
      reporter.note(`${file}: names ${path}, a path of this machine, for all to see`);
    const client = new HubClient(await readHubSettings(), observeHub(reporter));
    const uploads = paths.map((name) => ({ path: name, file: join(folder, name) }));
    const title = `Upload ${paths.length} files with tptt`;
    const { commit, url, bytes } = await uploadFiles(id.name, uploads, { title, private: isPrivate }, client);
    reporter.done({ url, commit, files: paths.length, bytes });
  },
});
