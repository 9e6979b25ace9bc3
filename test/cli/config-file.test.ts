import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { readConfigFile } from "../../src/cli/config-file.js";
import { flag, names } from "../../src/cli/options.js";
import { InputError } from "../../src/errors.js";
import { temporaryFolder } from "../models/fixture.js";

const table = {
  learning_rate: z.number().default(1),
  lora_r: z.int("expected a whole number").default(8),
  lora_target_modules: names().optional(),
  fast: flag(),
};

async function read(content: string) {
  const path = join(await temporaryFolder(), "train.yaml");
  await writeFile(path, content);
  const reading = readConfigFile(path, table);
  return { path, reading };
}

test("a mapping of names gives the options; null is not given", async () => {
  const { reading } = await read(
    "# a run\nlearning_rate: 5e-4\nlora_target_modules: [q_proj, v_proj]\nfast:\n",
  );
  expect(await reading).toEqual({ learning_rate: 5e-4, lora_target_modules: ["q_proj", "v_proj"] });
});

test("an empty file gives nothing, a list in one line is a list", async () => {
  expect(await (await read("")).reading).toEqual({});
  expect(await (await read("lora_target_modules: q_proj,v_proj")).reading).toEqual({
    lora_target_modules: ["q_proj", "v_proj"],
  });
});

test.each([
  [
    "lerning_rate: 1",
    ": lerning_rate: is not an option of this command; did you mean learning_rate, lora_r, lora_target_modules?",
  ],
  ["lora_r: many", ': lora_r: is "many"; expected a whole number'],
  ["- 1", ": is no mapping, expected lines such as batch_size: 4"],
  [
    "lora_r: 4\nfast: [",
    ":2: is not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]",
  ],
  ["lora_r: 4\nlora_r: 5", ":2: is not valid YAML: Map keys must be unique"],
])("%j is refused with the file and the place", async (content, problem) => {
  const { path, reading } = await read(content);
  await expect(reading).rejects.toThrow(InputError);
  await expect(reading).rejects.toThrow(`${path}${problem}`);
});

test("aliases of aliases are not followed until memory ends", async () => {
  const levels = Array.from({ length: 6 }, (_, i) => {
    const entry = i === 0 ? "1" : `*a${i - 1}`;
    return `x${i}: &a${i} [${Array(9).fill(entry).join(", ")}]`;
  });
  const { path, reading } = await read(levels.join("\n"));
  await expect(reading).rejects.toThrow(InputError);
  await expect(reading).rejects.toThrow(`${path}: cannot be read (Excessive alias count`);
});
