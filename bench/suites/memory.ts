import { writeRandomLlama } from "../random-llama.js";
import type { Row, Suite } from "../row.js";
import type { TrainWork } from "../work.js";

/** How the seconds and the memory of a training step grow: with length, with layers, with the vocabulary. */
export const memory: Suite = async ({ model, quick, scratch }) => {
  const step = (model: string, length: number, checkpointing: boolean): TrainWork => ({
    kind: "train",
    model,
    memory: "delta_rule",
    batch: 1,
    length,
    checkpointing,
  });
  const ofLength = (length: number): Row => {
    const side = (length: number) =>
      ({ name: "tptt", program: "tptt", work: step(model, length, true), tokens: length }) as const;
    return {
      name: `gradient checkpointing, B1 S${length}, f32`,
      ours: side(length),
      references: length >= 2048 ? [{ ...side(512), name: "tptt at S512", atLeast: 1 / 1.5 }] : [],
      ...(length >= 2048 ? { atMost: { bytes: 8e9 } } : {}),
      needs: { gflop: 1.7 }, // One more forward pass.
      profile: false,
      ...(length >= 512 ? { group: "from 512" } : {}),
      growth: { axis: "length", value: length },
    };
  };
  const ofLlama = async (axis: "layers" | "vocabulary", value: number): Promise<Row> => {
    const sizes = { layers: 4, vocabulary: 8192, [axis]: value };
    const work = step(await writeRandomLlama(scratch, sizes), 256, false);
    return {
      name: `Llama of width 256 with ${value} ${axis === "layers" ? "layers" : "words"}, B1 S256`,
      ours: { name: "tptt", program: "tptt", work, tokens: 256 },
      growth: { axis, value },
    };
  };
  const rows: Row[] = (quick ? [256, 512, 1024] : [256, 512, 2048, 4096]).map(ofLength);
  for (const layers of [2, 4, 8, 16]) rows.push(await ofLlama("layers", layers));
  for (const words of [8192, 32_768, 131_072]) rows.push(await ofLlama("vocabulary", words));
  return rows;
};
