import { expect, test } from "vitest";
import { nearest } from "../../src/cli/nearest.js";

const names = ["learning_rate", "warmup_steps", "lora_r", "lora_alpha", "seed"];

test("names come in the order of how much must be changed", () => {
  expect(nearest("lerning_rate", names)[0]).toBe("learning_rate");
  expect(nearest("warmup", names)[0]).toBe("warmup_steps");
  expect(nearest("lora", names)).toEqual(["lora_r", "lora_alpha", "learning_rate"]);
});

test("no more names are given than there are", () => {
  expect(nearest("x", ["seed"])).toEqual(["seed"]);
  expect(nearest("x", names, 2)).toHaveLength(2);
});
