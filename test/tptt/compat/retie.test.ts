import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { asLanguageModel } from "../../../src/models/language-model.js";
import { findEmbeddingLm } from "../../../src/tptt/layer/module-names.js";
import { TpttModel } from "../../../src/tptt/tptt-model.js";
import { fixtureFolder, temporaryFolder } from "../../models/fixture.js";
import { openTitan, randomIds, rows } from "../titan.js";

const inputIds = rows([randomIds(7)]);
const logitsOf = async (model: TpttModel) => (await model.forward({ inputIds })).logits.f32;
const headOf = (model: TpttModel) => asLanguageModel(model.base).head;

/** The same weights under a config that ties head and embedding. */
async function openTied(name: string): Promise<TpttModel> {
  const folder = await temporaryFolder();
  await cp(fixtureFolder(name), folder, { recursive: true });
  const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
  await writeFile(join(folder, "config.json"), JSON.stringify({ ...config, tie_word_embeddings: true }));
  const model = await TpttModel.fromPretrained(folder);
  onTestFinished(() => model.dispose());
  return model;
}

test.each([true, false])(
  "an untied model then predicts with its embedding (shared: %s)",
  async (tieWordEmbeddings) => {
    const model = await openTitan("llama-gqa");
    const before = await logitsOf(model);
    await model.retieLmAfterLoad({ tieWordEmbeddings });
    const after = await logitsOf(model);
    expect(after).not.toEqual(before);
    expect(after).toEqual(await logitsOf(await openTied("llama-gqa")));
    expect(headOf(model) === findEmbeddingLm(model.base)!.weight).toBe(tieWordEmbeddings);
  },
);

test("a copy may follow a copy, and sharing a copy", async () => {
  const model = await openTitan("llama-tied-llama3");
  const before = await logitsOf(model);
  const embedding = findEmbeddingLm(model.base)!.weight;
  expect(headOf(model)).toBe(embedding);
  for (const tieWordEmbeddings of [false, false, true]) {
    await model.retieLmAfterLoad({ tieWordEmbeddings });
    expect(headOf(model) === embedding).toBe(tieWordEmbeddings);
    expect(await logitsOf(model)).toEqual(before);
  }
});

test("a head that is trained is not lost", async () => {
  const model = await openTitan("llama-gqa");
  headOf(model).trainable = true;
  await expect(model.retieLmAfterLoad()).rejects.toThrow("lm_head: is trained");
});
