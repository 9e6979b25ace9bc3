import { join } from "node:path";
import { rewriteModelCard } from "../../tptt/files/rewrite-card.js";
import { defineCommand } from "../command.js";
import { common } from "../common-options.js";
import { complete, path } from "../options.js";
import { createReporter } from "../reporter.js";

const options = {
  model: path().describe("the folder of a saved titan"),
  card_template: path().optional().describe("a Jinja template of your own for the card"),
  json: common.json,
};

export const card = defineCommand({
  name: "card",
  description: "Writes a titan's model card again, with what its folder holds by now: evaluations, curves.",
  options,
  async run(given, io) {
    const { model, card_template, json } = complete(options, given);
    await rewriteModelCard(model, card_template ?? null);
    const out = join(model, "README.md");
    if (json) createReporter({ ...io, json }).done({ out });
    else io.stderr.write(`tptt: wrote ${out}\n`);
  },
});
