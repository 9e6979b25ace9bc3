import type { Reference, Row, Suite } from "../row.js";
import type { Memory, TrainWork } from "../work.js";

/** What a titanized token costs, forward and backward, in f32: the head alone is half of it. */
const gflopPerToken = 1.3;

/** Steps of titanized LoRA training. */
export const train: Suite = ({ model, folder, quick }) => {
  const row = (
    memory: Memory,
    batch: number,
    length: number,
    goals: Pick<Row, "atMost" | "note">,
    tptt?: number,
  ): Row => {
    const tokens = batch * length;
    const work: TrainWork = { kind: "train", model, memory, batch, length };
    const theirs = (name: string, memory: Memory, atLeast: number): Reference => ({
      name,
      program: "python",
      work: { ...work, model: folder!, memory },
      tokens,
      atLeast,
    });
    const references = [
      ...(tptt ? [theirs("Python tptt", memory, tptt)] : []),
      ...(memory === "delta_rule" ? [theirs("PyTorch LoRA, no memory", "off", 1.6)] : []),
    ];
    return {
      name: `${memory}, B${batch} S${length}`,
      ours: { name: "tptt", program: "tptt", work, tokens },
      references: folder ? references : [],
      gflopPerToken,
      ...goals,
    };
  };
  const killed = "Python tptt is not run at this size: it was killed at 24 GB";
  return [
    row("delta_rule", 1, 256, { atMost: { bytes: 3e9 } }, 20),
    ...(quick ? [] : [row("delta_product", 1, 256, {}, 40)]),
    row("delta_rule", 2, 512, { atMost: { bytes: 4e9 }, note: killed }),
  ];
};
