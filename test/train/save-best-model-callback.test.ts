import { expect, test } from "vitest";
import type { TpttModel } from "../../src/tptt/tptt-model.js";
import { SaveBestModelCallback } from "../../src/train/save-best-model-callback.js";

test("asks for a checkpoint when the evaluation just made is the best", () => {
  const asks = (best: { loss: number; step: number } | undefined, shouldSave = false) => {
    const control = { shouldSave, shouldEvaluate: false, shouldStop: false };
    const state = { globalStep: 6, maxSteps: 9, best };
    new SaveBestModelCallback().onEvaluate({ model: {} as TpttModel, state, control });
    return control.shouldSave;
  };
  expect(asks({ loss: 1, step: 6 })).toBe(true);
  expect(asks({ loss: 1, step: 4 })).toBe(false);
  expect(asks(undefined)).toBe(false);
  // What others asked for stands.
  expect(asks({ loss: 1, step: 4 }, true)).toBe(true);
});
