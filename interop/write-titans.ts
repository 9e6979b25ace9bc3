/**
 * Writes titans, plain adapters and merged models of every tiny model that Python can titanize, for read-titans.py:
 * write-titans.ts MODELS FOLDER. Each is FOLDER/<name>/, its tokens and logits are FOLDER/<name>.safetensors.
 */
import { mkdir, readdir } from "node:fs/promises";
import { Random, Tensor, TpttModel } from "../src/index.js";
import { writeSafetensors } from "../src/io/safetensors.js";
import type { FromPretrainedOptions } from "../src/tptt/files/open-titan.js";
import { loraOf, readExpected } from "../test/models/fixture.js";

const [models, folder] = process.argv.slice(2);
if (!models || !folder) throw new Error("usage: write-titans.ts MODELS FOLDER");
await mkdir(folder, { recursive: true });

/** What Python trains without LoRA. */
const projections = ["q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj", "out_proj", "c_attn", "c_proj"];

async function write(
  base: string,
  name: string,
  options: FromPretrainedOptions,
  kinds: Readonly<Record<string, (model: TpttModel, path: string) => Promise<void>>>,
): Promise<void> {
  const model = await TpttModel.fromPretrained(base, {
    operatorForm: "tptt-0.12",
    magWeight: 0.5,
    ...options,
  });
  const random = Random.for(1, name);
  model.params = Object.fromEntries(
    Object.entries(model.params).map(([key, { shape, f32 }]) => [
      key,
      Tensor.f32(
        shape,
        f32.map((x) => x + 0.1 * random.normal()),
      ),
    ]),
  );
  const ids = Array.from({ length: 48 }, () => random.below(96));
  const inputIds = Tensor.int64([2, 24], ids);
  for (const [kind, save] of Object.entries(kinds)) {
    model.disableLinearAttn = kind !== "titan";
    const { logits } = await model.forward({ inputIds });
    await save(model, `${folder}/${name}-${kind}`);
    const tensors = new Map(Object.entries({ input_ids: inputIds, logits }));
    await writeSafetensors(`${folder}/${name}-${kind}.safetensors`, tensors);
  }
  await model.dispose();
}

const titan = (model: TpttModel, path: string) => model.savePretrained(path);
const adapter = (model: TpttModel, path: string) => model.saveAdapter(path);
const merged = (model: TpttModel, path: string) => model.saveMerged(path);

for (const name of (await readdir(models)).sort()) {
  const base = `${models}/${name}`;
  const expected = await readExpected(base);
  if (!expected.has("titan_logits")) continue;
  const loraConfig = loraOf(expected);
  await write(base, `${name}-lora`, { operatorMode: "delta_rule", loraConfig }, { titan, adapter, merged });
  const trainableParameters = projections;
  await write(
    base,
    `${name}-full`,
    { operatorMode: "delta_product", trainableParameters },
    { titan, merged },
  );
}

const special = {
  r: 2,
  useRslora: true,
  targetModules: ".*\\.(?P<layer>0|1)\\.self_attn\\.[qv]_proj",
  excludeModules: ["layers.1.self_attn.v_proj"],
  rankPattern: { "layers\\.0\\..*q_proj": 3 },
  modulesToSave: ["lm_head", "1.mlp"],
};
const layers = {
  r: 2,
  targetModules: ["q_proj", "down_proj"],
  layersToTransform: [1],
  modulesToSave: ["model.norm"],
};
const operatorMode = "gated_delta_rule";
const all = { titan, adapter, merged };
await write(`${models}/llama-gqa`, "llama-gqa-pattern", { operatorMode, loraConfig: special }, all);
await write(`${models}/llama-gqa`, "llama-gqa-layers", { operatorMode, loraConfig: layers }, all);
await write(
  `${models}/llama-gqa`,
  "llama-gqa-linear",
  { operatorMode, loraConfig: { r: 2, targetModules: "all-linear" } },
  all,
);
