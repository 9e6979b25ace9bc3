/**
 * Writes titans for check-titan.py, one for each tiny model, with what they compute at mu = 0, where the two operator
 * forms agree: <folder>/<name>/ and <folder>/<name>.safetensors.
 */
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Random, Tensor, TpttModel } from "../src/index.js";
import { writeSafetensors } from "../src/io/safetensors.js";

const folder = process.argv[2];
if (folder === undefined) throw new Error("usage: write-titan.ts FOLDER");
const models = fileURLToPath(new URL("../test/fixtures/models/", import.meta.url));

for (const entry of await readdir(models, { withFileTypes: true })) {
  if (!entry.isDirectory()) continue;
  const { name } = entry;
  const model = await TpttModel.fromPretrained(`${models}${name}`, {
    operatorMode: "delta_rule",
    magWeight: 0,
    loraConfig: { r: 4, loraAlpha: 8 },
  });
  const random = Random.for(1, name);
  model.params = Object.fromEntries(
    Object.entries(model.params).map(([key, { shape, size }]) => [
      key,
      Tensor.f32(
        shape,
        Array.from({ length: size }, () => 0.1 * random.normal()),
      ),
    ]),
  );
  const inputIds = Tensor.int64(
    [2, 24],
    Array.from({ length: 48 }, () => random.below(96)),
  );
  const { logits } = await model.forward({ inputIds });
  await model.savePretrained(`${folder}/${name}`);
  await writeSafetensors(
    `${folder}/${name}.safetensors`,
    new Map([
      ["input_ids", inputIds],
      ["logits", logits],
    ]),
  );
  await model.dispose();
}
