import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { InputError } from "../../../src/errors.js";
import { readFrontMatter } from "../../../src/io/front-matter.js";
import { TpttConfig } from "../../../src/tptt/config/config.js";
import {
  checkCardTemplate,
  generateModelCard,
  renderTemplate,
  writeModelCard,
} from "../../../src/tptt/files/model-card.js";
import { temporaryFolder } from "../../models/fixture.js";
import { hubMetadata } from "./hub-metadata.js";

const config = TpttConfig.from({ baseModelName: "google/gemma-3-270m", operatorMode: "delta_product" });

/** The card that is generated in a new folder, and the metadata in its header. */
async function cardOf(
  ...args: Parameters<typeof generateModelCard> extends [string, ...infer Rest] ? Rest : never
) {
  const folder = join(await temporaryFolder(), "my-titan");
  await generateModelCard(folder, ...args);
  const card = await readFile(join(folder, "README.md"), "utf8");
  const metadata = readFrontMatter(card);
  if (metadata) hubMetadata.parse(metadata);
  return { card, metadata };
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

  test("tells how to load it in Python, or that Python lacks the form of its operator", async () => {
    const { card } = await cardOf(config);
    expect(card).not.toContain("from tptt import");
    expect(card).toContain('AutoModelForCausalLM.from_pretrained("merged")');
    expect(card).toContain("The Python package `tptt` lacks this form of the operator");
    const ofPython = { card: (await cardOf(config.with({ operatorForm: "tptt-0.12" }))).card };
    expect(ofPython.card).toContain("from tptt import TpttModel");
    const plain = config.with({ disableLinearAttn: true, loraConfig: { r: 2 } });
    expect((await cardOf(plain)).card).toContain(
      'AutoModelForCausalLM.from_pretrained("google/gemma-3-270m")',
    );
  });

  test("names no base model that the hub does not have, and stays YAML whatever the names hold", async () => {
    const odd = config.with({ baseModelName: '/models/a: "b" #c/it\'s: {d}' });
    const { card, metadata } = await cardOf(odd, null, { license: 'other: "mine" # all' });
    expect(metadata).toMatchObject({ license: "other", license_name: "other-mine-all" });
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

describe("what a titan's folder tells is on its card", () => {
  const results = {
    steps: 2,
    tokens: 90,
    arguments: { epochs: 2, batch_size: 4, learning_rate: 5e-4 },
    data: {
      examples: 8,
      fingerprint: "8 examples, abc",
      files: [
        { name: "data/train.parquet", hub_id: "org/set", records: 7, malformed: 0 },
        { name: "data/more.parquet", hub_id: "org/set", records: 3, malformed: 1 },
      ],
    },
    eval_data: { examples: 2, fingerprint: "2 examples, def" },
  };
  const metrics = [
    { step: 0, eval_loss: 4 },
    { step: 1, loss: 3.5, grad_norm: 2, learning_rate: 1e-3, mag_weight: 0, tokens_per_second: 10 },
    { step: 2, loss: 2.25, grad_norm: 1, learning_rate: 5e-4, mag_weight: 0.5, tokens_per_second: 30 },
    { step: 2, eval_loss: 2 },
  ];
  const evaluation = {
    task: "exact-match",
    model: { mag_weight: 0.5 },
    data: { name: "/home/me/problems.jsonl", examples: 20 },
    metrics: [
      { name: "em", value: 0.25, interval: [0.1, 0.4], count: 20 },
      { name: "qem", value: null, interval: null, count: 0 },
    ],
  };
  async function folderOf(files: Record<string, string>) {
    const folder = join(await temporaryFolder(), "my-titan");
    await mkdir(folder);
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
    await generateModelCard(folder, config, null, { license: "gemma" });
    const card = await readFile(join(folder, "README.md"), "utf8");
    return { folder, card, metadata: hubMetadata.parse(readFrontMatter(card)) };
  }
  const jsonl = metrics.map((line) => `${JSON.stringify(line)}\n`).join("");

  test("data, options, metrics, curves and evaluations", async () => {
    const { folder, card, metadata } = await folderOf({
      "train_results.json": JSON.stringify(results),
      "metrics.jsonl": jsonl,
      "eval-exact-match.json": JSON.stringify(evaluation),
    });
    for (const row of [
      "org/set: data/train.parquet | 7 | 0",
      "org/set: data/more.parquet | 3 | 1",
      "epochs | 2",
      "tokens per second | 30",
      "training loss per token | 3.5 (step 1) | 2.25 (step 2) | 2.25 (step 2)",
      "held-out loss per token | 4 (step 0) | 2 (step 2) | 2 (step 2)",
      "memory's share (mu) | 0 (step 1) | 0.5 (step 2) | 0 (step 1)",
      "exact-match | problems.jsonl | 0.5 | em | 0.25 | 0.1 to 0.4 | 20",
      "exact-match | problems.jsonl | 0.5 | qem |  |  | 0",
    ])
      expect(card).toContain(`\n| ${row} |\n`);
    expect(card).toContain("8 examples to train on (fingerprint `abc`), 2 held out (`def`).\n");
    expect(card).toMatch(/\n!\[[^\]]+\]\(curves\.svg\)\n/);
    expect(await readFile(join(folder, "curves.svg"), "utf8")).toContain("loss per token");
    expect(card).toContain("its license is `gemma`.");
    expect(card).not.toContain("/home/me");
    expect(metadata).toMatchObject({ license: "gemma", datasets: ["org/set"] });
    expect(metadata["model-index"]).toEqual([
      {
        name: "my-titan",
        results: [
          {
            task: { type: "text-generation" },
            dataset: { type: "org/set", name: "org/set", split: "held-out" },
            metrics: [{ type: "loss", value: 2, name: "held-out loss per token" }],
          },
          {
            task: { type: "text-generation", name: "exact-match" },
            dataset: { type: "json", name: "problems.jsonl" },
            metrics: [{ type: "em", value: 0.25, name: "exact-match: em" }],
          },
        ],
      },
    ]);
  });

  test("the metrics alone, of a run that another program records", async () => {
    const { card, metadata } = await folderOf({ "metrics.jsonl": jsonl });
    expect(card).not.toContain("## Data");
    expect(card).toContain("| training loss per token | 3.5 (step 1) |");
    expect(metadata["model-index"]![0]!.results).toMatchObject([{ dataset: { type: "text" } }]);
  });

  test("a file that is not what it should be is named", async () => {
    await expect(folderOf({ "eval-mine.json": '{"task":"mine","data":{"name":"x"}}' })).rejects.toThrow(
      /eval-mine\.json: metrics: is missing/,
    );
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

  test("is tried on a run that has not been yet", async () => {
    const args = { batch_size: 4 };
    const fields = config.toJson({});
    await checkCardTemplate(
      await templateOf(
        "{{ loss }} {{ batch_size }} {% for file in data.files %}{{ file.name }}{% endfor %}{{ metadata }}",
      ),
      fields,
      args,
    );
    await checkCardTemplate("model_card_template", fields, args);
    const wrong = await templateOf("{{ loss | no_filter }}");
    await expect(checkCardTemplate(wrong, fields, args)).rejects.toThrow(`${wrong}: cannot be rendered`);
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
