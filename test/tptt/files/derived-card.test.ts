import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { readFrontMatter } from "../../../src/io/front-matter.js";
import { TpttConfig, type TpttConfigOptions } from "../../../src/tptt/config/config.js";
import { TpttModel } from "../../../src/tptt/tptt-model.js";
import { fixtureFolder, openFixture, temporaryFolder } from "../../models/fixture.js";
import { openTitan, randomizeParams } from "../titan.js";
import { hubMetadata } from "./hub-metadata.js";

const lora = { r: 4, loraAlpha: 16, targetModules: ["q_proj"] };

/** The card of a folder, and the metadata in its header. */
async function cardIn(folder: string) {
  const card = await readFile(join(folder, "README.md"), "utf8");
  return { card, metadata: hubMetadata.parse(readFrontMatter(card)) };
}

/** A folder for each form that a model is saved in. */
async function derive(model: TpttModel) {
  const folder = await temporaryFolder();
  const [adapter, merged] = [join(folder, "adapter"), join(folder, "merged")];
  await model.saveAdapter(adapter);
  await model.saveMerged(merged);
  return { folder, adapter: await cardIn(adapter), merged: await cardIn(merged) };
}

/** A titan, saved with what a run leaves beside it, and opened again without its memories. */
async function trained({ magWeight, ...options }: TpttConfigOptions & { readonly magWeight: number }) {
  const folder = await temporaryFolder();
  const base = join(folder, "base");
  await cp(fixtureFolder("llama-gqa"), base, { recursive: true });
  await writeFile(join(base, "README.md"), "---\nlicense: gemma\n---\n");
  const titan = join(folder, "titan");
  const model = await TpttModel.fromPretrained(base, { ...options, loraConfig: lora });
  onTestFinished(() => model.dispose());
  await model.savePretrained(titan);
  const data = { name: "data/train.parquet", hub_id: "org/set", records: 7, malformed: 0 };
  const results = {
    steps: 2,
    tokens: 90,
    arguments: { batch_size: 4 },
    data: { examples: 7, fingerprint: "7 examples, abc", files: [data] },
  };
  const evaluation = (task: string, mu: number) =>
    JSON.stringify({
      task,
      model: { mag_weight: mu },
      data: { name: "problems.jsonl" },
      metrics: [{ name: "em", value: 0.25, interval: [0.1, 0.4], count: 20 }],
    });
  await writeFile(join(titan, "train_results.json"), JSON.stringify(results));
  const steps = [
    { step: 1, loss: 3, mag_weight: magWeight },
    { step: 1, eval_loss: 2 },
  ];
  await writeFile(join(titan, "metrics.jsonl"), steps.map((step) => `${JSON.stringify(step)}\n`).join(""));
  await writeFile(join(titan, "eval-with.json"), evaluation("with", 0.5));
  await writeFile(join(titan, "eval-without.json"), evaluation("without", 0));
  const again = await TpttModel.fromPretrained(titan, { disableLinearAttn: true });
  onTestFinished(() => again.dispose());
  return again;
}

/** A model whose base is one of the hub, as far as its config goes. */
async function overHub(name: string, options: TpttConfigOptions, baseFields: object = {}) {
  const { checkpoint, frozen } = await openFixture(name);
  const config = TpttConfig.from({ baseModelName: "org/base", disableLinearAttn: true, ...options });
  const baseConfig = { ...checkpoint.config, ...baseFields };
  const baseLicense = { id: "llama3.2" };
  const model = new TpttModel({ config, baseConfig, baseLicense, base: checkpoint.model, frozen });
  onTestFinished(() => model.dispose());
  randomizeParams(model);
  return model;
}

describe("what a titan becomes without its memories", () => {
  test("has data, options and figures of the titan on its card, and claims those that hold without memories", async () => {
    const { adapter, merged } = await derive(await trained({ magWeight: 0.5, operatorMode: "delta_rule" }));
    for (const { card, metadata } of [adapter, merged]) {
      for (const row of [
        "fine-tuning | LoRA, r 4, alpha 16, dropout 0, on q_proj",
        "memory | none",
        "org/set: data/train.parquet | 7 | 0",
        "batch size | 4",
        "held-out loss per token | 2 (step 1) | 2 (step 1) | 2 (step 1)",
        "with | problems.jsonl | 0.5 | em | 0.25 | 0.1 to 0.4 | 20",
        "without | problems.jsonl | 0 | em | 0.25 | 0.1 to 0.4 | 20",
      ])
        expect(card).toContain(`\n| ${row} |\n`);
      expect(card).toContain("They were trained in a titan");
      expect(card).toContain("Measured in the titan, with its memory in the share mu");
      expect(card).toContain("its license is `gemma`.");
      expect(card).not.toContain("curves.svg");
      expect(metadata).toMatchObject({ license: "gemma", datasets: ["org/set"] });
      expect(metadata["model-index"]![0]!.results).toMatchObject([{ task: { name: "without" } }]);
    }
    expect(adapter.metadata).toMatchObject({ library_name: "peft", tags: ["tptt", "lora"] });
    expect(adapter.card).toContain("# LoRA adapter of base\n");
    expect(merged.metadata).toMatchObject({ library_name: "transformers", tags: ["tptt", "lora"] });
    expect(merged.card).toContain("# base, fine-tuned\n");
  });

  test("claims the loss of training too where there was no memory in it", async () => {
    const { adapter, merged } = await derive(await trained({ magWeight: 0, disableLinearAttn: true }));
    for (const { card, metadata } of [adapter, merged]) {
      expect(card).not.toContain("titan,");
      expect(metadata["model-index"]![0]!.results).toMatchObject([
        { metrics: [{ name: "held-out loss per token", value: 2 }] },
        { task: { name: "without" } },
      ]);
    }
  });

  test("has no figures of weights that it does not have", async () => {
    const model = await trained({ magWeight: 0.5, operatorMode: "delta_rule" });
    randomizeParams(model);
    const { adapter } = await derive(model);
    expect(adapter.card).not.toContain("## Data");
    expect(adapter.metadata).not.toHaveProperty("model-index");
  });

  test("keeps a README that is there", async () => {
    const model = await openTitan("llama-gqa", { loraConfig: lora });
    const folder = await temporaryFolder();
    await writeFile(join(folder, "README.md"), "mine");
    await model.saveAdapter(folder);
    await model.saveMerged(folder);
    expect(await readFile(join(folder, "README.md"), "utf8")).toBe("mine");
  });
});

describe("over a base model of the hub a card", () => {
  test("names it, its license, and how it is loaded here and in Python", async () => {
    const { adapter, merged } = await derive(
      await overHub("llama-gqa", { baseModelRevision: "abc", loraConfig: lora }),
    );
    const shared = { base_model: "org/base", license: "llama3.2", pipeline_tag: "text-generation" };
    expect(adapter.metadata).toMatchObject({ ...shared, base_model_relation: "adapter" });
    expect(adapter.card).toContain("| base model | `org/base` (llama), revision `abc` |\n");
    expect(adapter.card).toContain(
      `base = AutoModelForCausalLM.from_pretrained("org/base", revision="abc")
model = PeftModel.from_pretrained(base, ".")
`,
    );
    expect(adapter.card).toContain('TpttModel.fromPretrained(".");');
    expect(merged.metadata).toMatchObject({ ...shared, base_model_relation: "finetune" });
    expect(merged.card).toContain('\nmodel = AutoModelForCausalLM.from_pretrained(".")\n');
    expect(merged.card).toContain('TpttModel.fromPretrained(".", { disableLinearAttn: true });');
    expect(merged.card).toContain("npx tptt generate --model .");
  });

  test("says that nothing was trained where that is so", async () => {
    const folder = await temporaryFolder();
    const model = await overHub("llama-gqa", { baseModelSubfolder: "base-Q8_0.gguf" });
    await model.saveMerged(folder);
    const { card, metadata } = await cardIn(folder);
    expect(metadata).toMatchObject({ base_model: "org/base", tags: ["tptt"] });
    expect(metadata).not.toHaveProperty("base_model_relation");
    expect(card).toContain("# base as plain weights\n");
    expect(card).toContain("| base model | `org/base`, `base-Q8_0.gguf` (llama) |\n");
    expect(card).toContain("| fine-tuning | none |\n");
  });

  test.each([
    ["bert", "feature-extraction", "requireTokenizer()"],
    ["vit", "image-feature-extraction", "model.encode({ pixelValues })"],
  ])("is another one for a model that predicts no tokens: %s", async (name, tag, use) => {
    const { adapter, merged } = await derive(await overHub(name, { loraConfig: { r: 2 } }));
    for (const { card, metadata } of [adapter, merged]) {
      expect(metadata.pipeline_tag).toBe(tag);
      expect(card).toContain(use);
      expect(card).toContain("AutoModel.from_pretrained(");
      expect(card).not.toContain("tptt generate");
    }
  });

  test("leads to the code of a family that transformers lacks", async () => {
    const auto_map = { AutoConfig: "configuration_x.XConfig", AutoModelForCausalLM: "modeling_x.XModel" };
    const { folder, adapter, merged } = await derive(
      await overHub("openelm", { loraConfig: { r: 2, targetModules: ["qkv_proj"] } }, { auto_map }),
    );
    const trusted = "trust_remote_code=True)";
    expect(adapter.card).toContain(`AutoModelForCausalLM.from_pretrained("org/base", ${trusted}`);
    expect(merged.card).toContain(`AutoModelForCausalLM.from_pretrained(".", ${trusted}`);
    const config = JSON.parse(await readFile(join(folder, "merged/config.json"), "utf8"));
    expect(config.auto_map).toEqual({
      AutoConfig: "org/base--configuration_x.XConfig",
      AutoModelForCausalLM: "org/base--modeling_x.XModel",
    });
  });
});
