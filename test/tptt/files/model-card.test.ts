import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { InputError } from "../../../src/errors.js";
import { TpttConfig } from "../../../src/tptt/config/config.js";
import { generateModelCard, renderTemplate, writeModelCard } from "../../../src/tptt/files/model-card.js";
import { temporaryFolder } from "../../models/fixture.js";

const config = TpttConfig.from({ baseModelName: "google/gemma-3-270m", operatorMode: "delta_product" });

/** The card that is generated in a new folder, and the metadata in its header. */
async function cardOf(
  ...args: Parameters<typeof generateModelCard> extends [string, ...infer Rest] ? Rest : never
) {
  const folder = join(await temporaryFolder(), "my-titan");
  await generateModelCard(folder, ...args);
  const card = await readFile(join(folder, "README.md"), "utf8");
  const [, header] = /^---\n(.*?)\n---\n/s.exec(card) ?? [];
  return { card, metadata: header === undefined ? undefined : parse(header) };
}

/** A template in a file of its own. */
async function templateOf(source: string): Promise<string> {
  const path = join(await temporaryFolder(), "template.md");
  await writeFile(path, source);
  return path;
}

describe("the built-in card", () => {
  test("has the hub's metadata and says how the titan is made", async () => {
    const lora = config.with({ loraConfig: { r: 4, loraAlpha: 16, targetModules: ["q_proj", "v_proj"] } });
    const { card, metadata } = await cardOf(lora);
    expect(metadata).toEqual({
      library_name: "tptt",
      pipeline_tag: "text-generation",
      base_model: "google/gemma-3-270m",
      base_model_relation: "adapter",
      tags: ["tptt", "titans", "linear-attention", "lora"],
    });
    expect(card).toContain("# Titan of gemma-3-270m\n");
    expect(card).toContain(
      "| operator | delta_product: order 2, trick dt, alpha gate c, beta gate k, linear |\n",
    );
    expect(card).toContain("| memory's share (mu) | 0.5 |\n");
    expect(card).toContain("| fine-tuning | LoRA, r 4, alpha 16, dropout 0, on q_proj, v_proj |\n");
    expect(card).toContain("npx tptt generate --model .");
  });

  test("shows figures of training where they are given, and no section without them", async () => {
    expect((await cardOf(config)).card).not.toContain("## Training");
    const figures = { dataset: "problems.jsonl", epochs: 2, batch_size: 4, learning_rate: 5e-4, loss: 0 };
    const { card } = await cardOf(config, null, { ...figures, hardware: null });
    const [, table] = /## Training\n\n\| \| \|\n\|---\|---\|\n(.*?)\n\n## Use/s.exec(card)!;
    expect(table!.split("\n")).toEqual([
      "| dataset | problems.jsonl |",
      "| epochs | 2 |",
      "| batch size | 4 |",
      "| learning rate | 0.0005 |",
      "| final training loss per token | 0 |",
    ]);
  });

  test("tells how to load it in Python only in Python's form of the operator", async () => {
    expect((await cardOf(config)).card).not.toContain("python");
    expect((await cardOf(config.with({ operatorForm: "tptt-0.12" }))).card).toContain(
      "from tptt import TpttModel",
    );
  });

  test("names no base model that the hub does not have, and stays YAML whatever the names hold", async () => {
    const odd = config.with({ baseModelName: '/models/a: "b" #c/it\'s: {d}' });
    const { card, metadata } = await cardOf(odd, null, { license: 'other: "mine" # all' });
    expect(metadata).toMatchObject({ license: 'other: "mine" # all' });
    expect(metadata).not.toHaveProperty("base_model");
    expect(card).toContain("# Titan of it's: {d}\n");
  });

  test("is another one for a model that predicts no tokens", async () => {
    const { card, metadata } = await cardOf(config.with({ modelTask: "feature_extraction" }));
    expect(metadata).toMatchObject({ pipeline_tag: "feature-extraction" });
    expect(card).toContain("model.encode(");
    expect(card).not.toContain("tptt generate");
  });

  test("is another one for a repository of several titans", async () => {
    const models = [{ folder: "delta_rule", description: "order 1" }];
    const { card, metadata } = await cardOf(config, "home_card_template", { models });
    expect(metadata).toMatchObject({ library_name: "tptt", base_model: "google/gemma-3-270m" });
    expect(card).toContain("# my-titan\n");
    expect(card).toContain("| [delta_rule](delta_rule) | order 1 |\n");
  });
});

describe("a template of the user's own", () => {
  test("written for Python sees the fields of config.json, the folder's name and the extra variables", async () => {
    const template = await templateOf(
      `{{model_id}}: {{config.base_model_name}}, r={{config.lora_config.r | default("")}}
{% if config.cross_gate %}cross{% else %}plain{% endif %}
{% for name in config.target_modules_names %}{{ loop.index }} {{ name | upper }} {% endfor %}
{{ config.target_modules_names | join("+") }} {{ config.recurrent_config | tojson }} {{dataset}}{{nothing}}.
`,
    );
    const own = config.with({ targetModulesNames: ["attn", "self_attn"], loraConfig: { r: 3 } });
    expect((await cardOf(own, template, { dataset: "alpaca" })).card).toBe(
      `my-titan: google/gemma-3-270m, r=3
plain
1 ATTN 2 SELF_ATTN 
attn+self_attn {"order": 2, "alpha_gate": "c", "beta_gate": "k", "linear": true, "trick": "dt"} alpha.
`
        .replace("alpha.", "alpaca.")
        .trimEnd(),
    );
  });

  test("finds nothing where nothing is defined, as in Python", async () => {
    const template = await templateOf(
      '[{{ a }}{{ config.lora_config.r | default("-") }}{% if b.c %}!{% endif %}]',
    );
    expect((await cardOf({ lora_config: null }, template)).card).toBe("[-]");
  });

  test("has no access to files", async () => {
    const template = await templateOf('{% include "/etc/passwd" %}');
    await expect(renderTemplate(template, {})).rejects.toThrow(`${template}: cannot be rendered`);
  });

  test("is named when it is wrong or not there", async () => {
    const wrong = await templateOf("{% if %}");
    await expect(cardOf(config, wrong)).rejects.toThrow(InputError);
    await expect(cardOf(config, wrong)).rejects.toThrow(`${wrong}: cannot be rendered`);
    await expect(cardOf(config, "no_card")).rejects.toThrow(
      "no_card: is no file and no built-in template; give a template's path, or one of home_card_template, model_card_template",
    );
  });
});

test("a card takes the place of one that was there", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "README.md"), "mine");
  await writeModelCard(folder, "ours");
  expect(await readFile(join(folder, "README.md"), "utf8")).toBe("ours");
});
