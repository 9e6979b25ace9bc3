import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { architectures } from "../../src/models/registry.js";
import { TpttConfig, type TpttConfigOptions } from "../../src/tptt/config/config.js";
import { recurrentModes } from "../../src/tptt/config/operator-config.js";
import { readPeftConfig } from "../../src/tptt/files/peft-adapter.js";
import { fixtureFolder, temporaryFolder } from "../models/fixture.js";
import { cut, holds, names, outcome, refused, share } from "./properties.js";

const name = fc.constantFrom("q_proj", "v_proj", "self_attn", "c_attn", "layers.0", "a b", "\u00e9", "0");
const list = <T>(of: fc.Arbitrary<T>) => fc.array(of, { minLength: 1, maxLength: 3 });
const positive = fc.integer({ min: 1, max: 10_000 });
const factor = fc.double({ min: 1e-3, max: 1e3, noNaN: true });

const loraConfig: fc.Arbitrary<NonNullable<TpttConfigOptions["loraConfig"]>> = fc.record(
  {
    r: fc.integer({ min: 1, max: 64 }),
    loraAlpha: factor,
    loraDropout: fc.double({ min: 0, max: 0.99, noNaN: true }),
    useRslora: fc.boolean(),
    targetModules: fc.oneof(list(name), fc.constantFrom("all-linear", ".*_proj", "(q|v)_proj")),
    excludeModules: fc.oneof(fc.array(name, { maxLength: 2 }), fc.constant(".*mlp.*")),
    modulesToSave: fc.array(name, { maxLength: 2 }),
    rankPattern: fc.dictionary(name, fc.integer({ min: 1, max: 64 }), { noNullPrototype: true }),
    alphaPattern: fc.dictionary(name, factor, { noNullPrototype: true }),
    fanInFanOut: fc.boolean(),
  },
  { requiredKeys: [] },
);

const gate = fc.constantFrom("k", "v", "kv", "c");
const options: fc.Arbitrary<TpttConfigOptions> = fc.record(
  {
    baseModelName: fc.constantFrom("org/name", "/models/x", "a", "C:\\models"),
    baseModelRevision: fc.constantFrom("main", "v1"),
    baseModelSubfolder: fc.constantFrom("sub", "a/b"),
    nameOrPath: fc.constantFrom("titan", "/x"),
    modelTask: fc.constantFrom("causal_lm", "feature_extraction"),
    targetModulesNames: list(name),
    operatorMode: fc.constantFrom(...(Object.keys(recurrentModes) as (keyof typeof recurrentModes)[])),
    order: fc.integer({ min: 1, max: 8 }),
    alphaGate: gate,
    betaGate: gate,
    linear: fc.boolean(),
    trick: fc.constantFrom("dt", "rot", "rdt", "cte"),
    maxSelfAttnLength: positive,
    baseScaleAttn: fc.boolean(),
    magWeight: fc.double({ min: 0, max: 1, noNaN: true }),
    magMode: fc.constantFrom("constant", "dynamic"),
    crossGate: fc.boolean(),
    maxChunkSize: positive,
    loraConfig,
    paddingSide: fc.constantFrom("left", "right"),
    bidirectional: fc.boolean(),
    disableLinearAttn: fc.boolean(),
    operatorForm: fc.constantFrom("exact", "tptt-0.12"),
    useLinearCheckpoint: fc.boolean(),
  },
  { requiredKeys: [] },
);

/** What a configuration says, without the words in which it was given. */
function meaningOf({ fields, ...meaning }: TpttConfig) {
  return meaning;
}

const throughJson = (fields: object) => JSON.parse(JSON.stringify(fields));

test("a titan's configuration comes back from its file as it was, whatever the base model's says", () =>
  holds(300, options, fc.dictionary(names, fc.jsonValue()), (options, more) => {
    const config = TpttConfig.from(options);
    const base = { ...more, model_type: "llama", hidden_size: 8 };
    const fields = throughJson(config.toJson(base));
    const read = TpttConfig.parse(fields, "config.json");
    expect(meaningOf(read)).toEqual(meaningOf(config));
    expect(throughJson(read.toJson(base))).toEqual(fields);
  }));

test("changes of a configuration are what was changed, and nothing else", () =>
  holds(300, options, options, (first, second) => {
    const config = TpttConfig.from(first);
    expect(meaningOf(config.with({}))).toEqual(meaningOf(config));
    const { magWeight = config.magWeight, crossGate = config.crossGate } = second;
    expect(meaningOf(config.with({ magWeight, crossGate }))).toEqual({
      ...meaningOf(config),
      magWeight,
      crossGate,
    });
  }));

test("an adapter's configuration says in PEFT's file what it says in a titan's", () =>
  holds(50, loraConfig, fc.constantFrom("causal_lm", "feature_extraction"), async (loraConfig, modelTask) => {
    const config = TpttConfig.from({ baseModelName: "org/name", modelTask, loraConfig });
    const folder = await temporaryFolder();
    const path = join(folder, "adapter_config.json");
    const fields = { ...(config.toJson({}).lora_config as object), base_model_name_or_path: "org/name" };
    const whole = new Uint8Array(Buffer.from(JSON.stringify(fields)));
    await writeFile(path, whole);
    const read = (await readPeftConfig(folder))!;
    expect(read.loraConfig).toEqual(config.loraConfig);
    expect(read.baseModelName).toBe("org/name");
    expect(read.modelTask).toBe(modelTask === "causal_lm" ? undefined : modelTask);
    expect(read.disableLinearAttn).toBe(true);
    // What was cut off is no configuration any more.
    await writeFile(path, cut(whole, 0.5));
    expect(await outcome(() => readPeftConfig(folder))).toBe(refused);
  }));

const families = [
  ["bert", "dream", "gemma3", "gpt2", "llama-gqa", "mistral", "olmo", "olmo2", "olmoe", "openelm", "qwen2"],
  ["qwen3", "vit"],
].flat();
const configs = await Promise.all(
  families.map(async (family) => {
    const fields = JSON.parse(await readFile(join(fixtureFolder(family), "config.json"), "utf8"));
    const architecture = architectures.find(({ modelTypes }) => modelTypes.includes(fields.model_type))!;
    return { fields, architecture };
  }),
);

test("any value in any field of a model's config makes a model or is refused", () => {
  expect(new Set(configs.map(({ architecture }) => architecture))).toEqual(new Set(architectures));
  const value = fc.oneof(
    fc.jsonValue({ depthSize: "small" }),
    fc.constantFrom(0, -1, 1, 0.5, 2 ** 31, 2 ** 53, 1e308, "", "gelu", "linear", [], {}, true),
  );
  return holds(
    1000,
    fc.constantFrom(...configs),
    share,
    value,
    async ({ fields, architecture }, at, value) => {
      const keys = Object.keys(fields);
      const changed = { ...fields, [keys[Math.floor(keys.length * at)]!]: value };
      await outcome(() => architecture.build(changed, "config.json"));
    },
  );
});

test("a field that no family knows changes nothing of a model", () =>
  holds(
    200,
    fc.constantFrom(...configs),
    fc.uuid(),
    fc.jsonValue(),
    ({ fields, architecture }, key, value) => {
      const plain = architecture.build(fields, "config.json");
      const more = architecture.build({ ...fields, [`x_${key}`]: value }, "config.json");
      expect(more.config).toEqual(plain.config);
      const shapes = (model: typeof plain) =>
        [...model.namedParameters()].map(([name, { shape }]) => [name, shape]);
      expect(shapes(more)).toEqual(shapes(plain));
    },
  ));
