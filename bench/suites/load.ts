import type { Row, Side, Suite } from "../row.js";
import type { FirstTokenWork, TrainWork } from "../work.js";

/** What passes before the first step and before the first token: in the first process that opens the model, and in a second. */
export const load: Suite = ({ model, llama }) => {
  const sessions: TrainWork = {
    kind: "train",
    model,
    memory: "delta_rule",
    batch: 2,
    length: 512,
    timed: "graph",
  };
  const firstToken: FirstTokenWork = { kind: "first-token", model, memory: "delta_rule", quantize: "gguf" };
  const row = (name: string, start: "first" | "second", work: Side["work"], rest: Partial<Row>): Row => ({
    name: `${name}, the ${start} time`,
    ours: { name: "tptt", program: "tptt", start, work },
    profile: false,
    ...rest,
  });
  const creating = "creating the training sessions, B2 S512, f32";
  const token = "process start to first token, the file's blocks";
  return [
    row(creating, "first", sessions, {
      atMost: { seconds: 5 },
      note: "from the first step's start until its session stands",
    }),
    row(creating, "second", sessions, { atMost: { seconds: 2 } }),
    row(token, "first", firstToken, {}),
    row(token, "second", firstToken, {
      atMost: { seconds: 2 },
      references: llama
        ? [{ name: "llama.cpp, base model", program: "llama.cpp", start: "second", work: firstToken }]
        : [],
      note: "either finds the file's pages in memory; nothing else is kept from one start to the next",
    }),
  ];
};
