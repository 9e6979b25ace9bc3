import type { Reference, Row, Suite } from "../row.js";
import type { TrainWork } from "../work.js";

/** What a titanized token costs, forward and backward: the head alone is half of it. */
const needs = { gflop: 1.3 };

/** Steps of titanized LoRA training, over f32 and over quantised weights. */
export const train: Suite = ({ model, folder, quick }) => {
  /** Goals: so many times as fast as the package in Python, and as plain LoRA in PyTorch; at most so much memory. */
  interface Goals {
    readonly tptt?: number;
    readonly plain?: number;
    readonly bytes?: number;
  }
  const row = (changes: Partial<TrainWork>, { tptt, plain, bytes }: Goals, note?: string): Row => {
    const work: TrainWork = {
      kind: "train",
      model,
      memory: "delta_rule",
      batch: 2,
      length: 512,
      quantize: "none",
      ...changes,
    };
    const { batch, length, memory, quantize } = work;
    const tokens = batch * length;
    const python = (name: string, memory: TrainWork["memory"], atLeast?: number): Reference[] =>
      folder && atLeast
        ? [
            {
              name,
              program: "python",
              work: { ...work, model: folder, memory, quantize: "none" },
              tokens,
              atLeast,
            },
          ]
        : [];
    return {
      name: `${memory}, B${batch} S${length}, ${quantize === "none" ? "f32" : quantize}`,
      ours: { name: "tptt", program: "tptt", work, tokens },
      references: [
        ...python("Python tptt, f32", memory, tptt),
        ...python("PyTorch LoRA without memory, f32", "off", plain),
      ],
      needs,
      ...(batch === 2 ? { group: "B2 S512" } : {}), // One PyTorch for all three.
      ...(bytes ? { atMost: { bytes } } : {}),
      ...(note ? { note } : {}),
    };
  };
  const short = { batch: 1, length: 256 };
  const killed = "Python tptt is not run at this size: it was killed at 24 GB";
  return [
    row(short, { tptt: 20, plain: 1.6, bytes: 3e9 }),
    ...(quick ? [] : [row({ ...short, memory: "delta_product" }, { tptt: 40 })]),
    row({}, { plain: 1.6, bytes: 4e9 }, killed),
    row({ quantize: "int8" }, { plain: 2, bytes: 2e9 }),
    row({ quantize: "int4" }, { plain: 2, bytes: 2e9 }),
  ];
};
