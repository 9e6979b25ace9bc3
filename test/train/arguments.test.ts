import { expect, test } from "vitest";
import { trainingArguments } from "../../src/train/arguments.js";

test("fields in snake_case become arguments, the rest has defaults", () => {
  expect(trainingArguments({ learning_rate: 1e-3, gradient_accumulation_steps: 2, max_steps: 7 })).toEqual({
    maxSteps: 7,
    epochs: 1,
    batchSize: 4,
    gradientAccumulationSteps: 2,
    maxLength: 256,
    learningRate: 1e-3,
    lrSchedulerType: "cosine",
    warmupSteps: 0,
    weightDecay: 0,
    maxGradNorm: 1,
    loggingSteps: 10,
    evalSteps: undefined,
    saveSteps: undefined,
    saveTotalLimit: undefined,
    reportTo: "none",
    loggingDir: undefined,
    onBadLoss: "stop",
    maxLossJump: 10,
    seed: 0,
    gradientCheckpointing: undefined,
  });
});

test.each([
  [{ batch_size: 0 }, "training: batch_size: is 0; expected at least 1"],
  [{ max_steps: 1.5 }, "training: max_steps: is 1.5; expected a whole number"],
  [{ learning_rate: 0 }, "training: learning_rate: is 0"],
  [{ lr_scheduler_type: "step" }, 'training: lr_scheduler_type: is "step"'],
  [{ warmup_steps: -1 }, "training: warmup_steps: is -1; expected at least 0"],
])("%j is refused", (fields, message) => {
  expect(() => trainingArguments(fields as object)).toThrow(message);
});
