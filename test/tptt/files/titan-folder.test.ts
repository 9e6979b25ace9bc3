import { cp, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { TpttConfig } from "../../../src/tptt/config/config.js";
import type { FromPretrainedOptions } from "../../../src/tptt/files/open-titan.js";
import { TpttModel } from "../../../src/tptt/tptt-model.js";
import { openWorkspace } from "../../cli/workspace.js";
import { fixtureFolder, openFixture, temporaryFolder } from "../../models/fixture.js";
import { openTitan, randomIds, randomizeParams, rows } from "../titan.js";

const deltaRule = { operatorMode: "delta_rule" } as const;
const inputIds = rows([randomIds(21, 1), randomIds(21, 2)]);

describe("saved and loaded", () => {
  const options = { operatorMode: "gated_delta_product", loraConfig: { r: 4, loraAlpha: 16 } } as const;
  const open = async (folder: string, more: FromPretrainedOptions = {}) => {
    const model = await TpttModel.fromPretrained(folder, more);
    onTestFinished(() => model.dispose());
    return model;
  };
  const json = async (folder: string, file = "config.json") =>
    JSON.parse(await readFile(join(folder, file), "utf8"));
  const edit = async (folder: string, change: (fields: Record<string, unknown>) => void) => {
    const fields = await json(folder);
    change(fields);
    await writeFile(join(folder, "config.json"), JSON.stringify(fields));
  };

  test("a titan gives the same logits, bit for bit, also from a copy of a copy", async () => {
    const model = await openTitan("llama-gqa", options);
    randomizeParams(model);
    model.magWeight = 0.35;
    const { logits } = await model.forward({ inputIds });
    const [first, second] = [await temporaryFolder(), await temporaryFolder()];
    await model.savePretrained(first);
    const again = await open(first);
    expect(again.magWeight).toBe(0.35);
    expect((await again.forward({ inputIds })).logits.f32).toEqual(logits.f32);
    await again.savePretrained(second);
    expect((await (await open(second)).forward({ inputIds })).logits.f32).toEqual(logits.f32);
    expect(await json(second)).toEqual(await json(first));
    expect(await readFile(join(second, "adapter_model.safetensors"))).toEqual(
      await readFile(join(first, "adapter_model.safetensors")),
    );
  });

  test("the chat template is the titan's own, which may be another than the base model's", async () => {
    const { model: base, write } = await openWorkspace();
    await write("base/chat_template.jinja", "base {{ messages | length }}");
    const render = (model: TpttModel) => model.requireTokenizer().chatTemplate?.render([]);
    const model = await open(base, options);
    const [first, second] = [await temporaryFolder(), await temporaryFolder()];
    await model.savePretrained(first);
    expect(render(await open(first))).toBe("base 0");
    model.requireTokenizer().useChatTemplate("own {{ bos_token }}", "option");
    await model.savePretrained(first);
    const again = await open(first);
    expect(render(again)).toBe("own <s>");
    await again.savePretrained(second);
    expect(render(await open(second))).toBe("own <s>");
    expect(render(await open(base))).toBe("base 0");

    await writeFile(join(first, "chat_template.jinja"), "{% for %}");
    const broken = await open(first);
    expect(() => render(broken)).toThrow(`${first}: chat_template: is not a template that can be used`);
  });

  test("the config has PEFT's fields with the names of the layers; there is no config of an adapter", async () => {
    const folder = await temporaryFolder();
    await (await openTitan("llama-gqa", options)).savePretrained(folder);
    expect((await json(folder)).lora_config).toEqual({
      peft_type: "LORA",
      task_type: "CAUSAL_LM",
      r: 4,
      lora_alpha: 16,
      lora_dropout: 0,
      target_modules: ["q_proj", "k_proj", "v_proj", "o_proj"],
      bias: "none",
    });
    expect((await readdir(folder)).sort()).toEqual(["README.md", "adapter_model.safetensors", "config.json"]);
    expect(await readFile(join(folder, "README.md"), "utf8")).toContain("# Titan of llama-gqa");
  });

  test("in Python's operator form transformers finds the classes of the package", async () => {
    const folder = await temporaryFolder();
    await (await openTitan("llama-gqa", { ...options, operatorForm: "tptt-0.12" })).savePretrained(folder);
    expect((await json(folder)).auto_map).toEqual({
      AutoConfig: "configuration_tptt.TpttConfig",
      AutoModelForCausalLM: "modeling_tptt.TpttModel",
    });
    for (const [file, name] of [
      ["configuration_tptt", "TpttConfig"],
      ["modeling_tptt", "TpttModel"],
    ]) {
      expect(await readFile(join(folder, `${file}.py`), "utf8")).toContain(
        `from tptt.${file} import ${name}`,
      );
    }
  });

  test("options change what they name", async () => {
    const folder = await temporaryFolder();
    const model = await openTitan("llama-gqa", options);
    randomizeParams(model);
    await model.savePretrained(folder);
    const changed = await open(folder, {
      magWeight: 1,
      maxSelfAttnLength: 4,
      loraConfig: { loraDropout: 0.1 },
    });
    expect(changed.config).toMatchObject({
      magWeight: 1,
      maxSelfAttnLength: 4,
      operatorMode: "gated_delta_product",
      loraConfig: { r: 4, loraAlpha: 16, loraDropout: 0.1 },
    });
    expect(Object.values(changed.params).map(({ f32 }) => f32)).toEqual(
      Object.values(model.params).map(({ f32 }) => f32),
    );
    await expect(open(folder, { loraConfig: { r: 8 } })).rejects.toThrow(
      /adapter_model.safetensors: tensor .*lora_A.default.weight: is \[4,32\], the configuration asks for \[8,32\]/,
    );
  });

  test("the base model may lie beside the titan", async () => {
    const folder = await temporaryFolder();
    await (await openTitan("llama-gqa", options)).savePretrained(folder);
    await edit(folder, (fields) => {
      fields.base_model_name = "base";
    });
    await expect(open(folder)).rejects.toThrow(
      `${folder}/config.json: base_model_name: is base, which does not exist; put the base model there`,
    );
    await cp(fixtureFolder("llama-gqa"), join(folder, "base"), { recursive: true });
    const moved = await temporaryFolder();
    await (await open(folder)).savePretrained(moved);
    expect((await json(moved)).base_model_name).toBe(join(folder, "base"));
  });

  test("the base model may lie in a subfolder", async () => {
    const folder = await temporaryFolder();
    await cp(fixtureFolder("llama-gqa"), join(folder, "base", "small"), { recursive: true });
    const model = await open(join(folder, "base"), { ...options, baseModelSubfolder: "small" });
    await model.savePretrained(join(folder, "titan"));
    const again = await open(join(folder, "titan"));
    expect((await again.forward({ inputIds })).logits).toEqual((await model.forward({ inputIds })).logits);
  });

  test.each(["..", "small/../..", "/etc", "C:\\x", "a\0"])("a subfolder %j is refused", async (subfolder) => {
    const folder = await temporaryFolder();
    await (await openTitan("llama-gqa", options)).savePretrained(folder);
    await edit(folder, (fields) => Object.assign(fields, { base_model_subfolder: subfolder }));
    await expect(open(folder)).rejects.toThrow(
      `${folder}/config.json: base_model_subfolder: is ${JSON.stringify(subfolder)}; expected a folder inside`,
    );
  });

  test("a subfolder that is a link out of the base model's folder is refused", async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "base"));
    await symlink(fixtureFolder("llama-gqa"), join(folder, "base", "small"));
    await expect(open(join(folder, "base"), { ...options, baseModelSubfolder: "small" })).rejects.toThrow(
      "/base/small: is a link that leads out of",
    );
  });

  test("weights of a LoRA that the config does not name are not passed over", async () => {
    const folder = await temporaryFolder();
    await (await openTitan("llama-gqa", options)).savePretrained(folder);
    await edit(folder, (fields) => Object.assign(fields, { lora_config: null }));
    await expect(open(folder)).rejects.toThrow(
      `${folder}/config.json: lora_config: is missing, but adapter_model.safetensors holds low-rank updates`,
    );
  });

  test("fields of other programs stay in config.json", async () => {
    const folder = await temporaryFolder();
    await (await openTitan("llama-gqa", options)).savePretrained(folder);
    await edit(folder, (fields) => Object.assign(fields, { license: "mit", x: { y: 1 } }));
    await (await open(folder)).savePretrained(folder);
    expect(await json(folder)).toMatchObject({ license: "mit", x: { y: 1 } });
  });

  test("a titan that does not name its operator's form is one of Python's", async () => {
    const folder = await temporaryFolder();
    await (await openTitan("llama-gqa", options)).savePretrained(folder);
    await edit(folder, (fields) => delete fields.operator_form);
    expect((await open(folder)).config.operatorForm).toBe("tptt-0.12");
  });

  test.each([
    ["0.12.0, whose pool looked ahead", "offsets: tuple[int] = (0, 1, 2)", null, true],
    ["0.12.0, told not to look ahead", "offsets: tuple[int] = (0, 1, 2)", { offsets: [0, -1, -2] }, false],
    ["0.12.1", "offset=0", null, false],
  ])("the sources beside a titan say that it is of %s", async (_, parameter, pooling, lookahead) => {
    const folder = await temporaryFolder();
    await (await openTitan("llama-gqa", options)).savePretrained(folder);
    await edit(folder, (fields) => {
      delete fields.operator_form;
      Object.assign(fields, {
        pooling_config: pooling,
        use_linear_checkpoint: true,
        linear_precision: "float32",
      });
    });
    const pool = `class CausalAvgPool1d(nn.Module):\n    def __init__(self, ${parameter}):\n        pass\n`;
    const others = "\n\nclass VirtualTokenExpander(nn.Module):\n    offsets = None\n";
    await writeFile(join(folder, "modeling_tptt.py"), pool + others);
    const { config } = await open(folder);
    expect(config).toMatchObject({
      operatorForm: "tptt-0.12",
      poolingConfig: { lookahead },
      useLinearCheckpoint: true,
    });
  });

  test("a titan without trained weights needs no file of them", async () => {
    const folder = await temporaryFolder();
    const model = await openTitan("llama-gqa", deltaRule);
    await model.savePretrained(folder);
    const { logits } = await (await open(folder)).forward({ inputIds });
    expect(logits.f32).toEqual((await model.forward({ inputIds })).logits.f32);
  });

  test("parameters of the base model that were trained themselves come back", async () => {
    const { checkpoint, frozen } = await openFixture("llama-gqa");
    const model = new TpttModel({
      config: TpttConfig.from({ ...deltaRule, baseModelName: checkpoint.path }),
      baseConfig: checkpoint.config,
      base: checkpoint.model,
      frozen,
      trainableParameters: ["v_proj", "model.norm", "lm_head"],
    });
    onTestFinished(() => model.dispose());
    const names = model.trainable.map(({ name }) => name);
    expect(names.sort()).toEqual([
      "lm_head.weight",
      "model.layers.0.self_attn.v_proj.weight",
      "model.layers.1.self_attn.v_proj.weight",
      "model.norm.weight",
    ]);
    randomizeParams(model);
    const { grads } = await model.lossAndGrad({ inputIds, labels: inputIds });
    expect(Object.keys(grads).sort()).toEqual(names);
    for (const { f32 } of Object.values(grads)) expect(f32.some((g) => g !== 0)).toBe(true);
    const folder = await temporaryFolder();
    await model.savePretrained(folder);
    const again = await open(folder);
    expect(again.trainable.map(({ name }) => name).sort()).toEqual(names);
    expect((await again.forward({ inputIds })).logits.f32).toEqual(
      (await model.forward({ inputIds })).logits.f32,
    );
  });
});
