import type { Quantization } from "#dist/models/quantization.js";
import type { Row, Suite } from "../row.js";
import type { LearnWork, PredictWork } from "../work.js";

/** What quantised weights cost in accuracy. Without a text there is nothing to measure. */
export const accuracy: Suite = ({ model, text, quick }) => {
  if (text === undefined) return [];
  const [steps, windows] = quick ? [10, 4] : [100, 8];
  const predict: PredictWork = { kind: "predict", model, memory: "off", text, windows, length: 256 };
  const learn: LearnWork = {
    kind: "learn",
    model,
    memory: "delta_rule",
    text,
    steps,
    batch: 1,
    length: 64,
    windows: 16 * windows,
  };
  const row = (
    name: string,
    work: PredictWork | LearnWork,
    /** How else the weights are held, and how far the loss may be from f32's. */
    others: Partial<Record<Quantization, number | undefined>>,
    note: string,
  ): Row => ({
    name,
    once: true,
    profile: false,
    ours: { name: "f32", program: "tptt", work },
    references: Object.entries(others).map(([quantize, lossWithin]) => ({
      name: quantize,
      program: "tptt",
      work: { ...work, quantize: quantize as Quantization },
      ...(lossWithin === undefined ? {} : { lossWithin }),
    })),
    note,
  });
  return [
    row(
      "prediction by the base model",
      predict,
      { gguf: undefined, int8: undefined, int4: undefined },
      `on the text's last ${windows} windows of ${predict.length} tokens`,
    ),
    row(
      `prediction after ${steps} steps of training`,
      learn,
      { int8: 0.01, int4: 0.05 },
      `titanized LoRA, delta_rule, B${learn.batch} S${learn.length}, mu from 0 to 0.5, weights held likewise while learning and predicting; on the text's last ${learn.windows} windows of ${learn.length} tokens, which are not learned`,
    ),
  ];
};
