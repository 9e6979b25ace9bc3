import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { TpttModel } from "../../../src/tptt/tptt-model.js";
import { randomIds, randomizeParams, rows } from "../../tptt/titan.js";
import { openWorkspace, tptt } from "../workspace.js";

const inputIds = rows([randomIds(9, 1)]);

async function savedTitan() {
  const { folder, model: base } = await openWorkspace();
  const model = await TpttModel.fromPretrained(base, { operatorMode: "delta_rule", loraConfig: { r: 2 } });
  onTestFinished(() => model.dispose());
  randomizeParams(model);
  const titan = join(folder, "titan");
  await model.savePretrained(titan);
  model.disableLinearAttn = true;
  return { folder, titan, logits: (await model.forward({ inputIds })).logits };
}

test.each([
  ["merge", ["README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]],
  ["adapter", ["README.md", "adapter_config.json", "adapter_model.safetensors"]],
])("%s writes a folder that gives the titan's logits without memories", async (command, files) => {
  const { folder, titan, logits } = await savedTitan();
  const out = join(folder, "out");
  expect(await tptt([command, "--model", titan, "--out", out])).toMatchObject({ code: 0, stdout: "" });
  expect((await readdir(out)).sort()).toEqual(files);
  const model = await TpttModel.fromPretrained(out, { disableLinearAttn: true });
  onTestFinished(() => model.dispose());
  expect((await model.forward({ inputIds })).logits).toBeCloseToTensor(logits.f32, { atol: 2e-5 });

  const json = await tptt([command, "--model", titan, "--out", `${out}-2`, "--json"]);
  expect(JSON.parse(json.stdout)).toEqual({ event: "done", model: titan, out: `${out}-2` });

  const again = await tptt([command, "--model", titan, "--out", out]);
  expect(again).toMatchObject({
    code: 2,
    stderr: `tptt: ${out}: is not empty (${files[0]}); give a new folder with --out\n`,
  });
});
