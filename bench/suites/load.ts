import type { Suite } from "../row.js";

/** What passes before the first step and before the first token. */
export const load: Suite = ({ model, llama }) => {
  const firstToken = { kind: "first-token", model, memory: "delta_rule" } as const;
  return [
    {
      name: "creating the training sessions, B2 S512",
      ours: {
        name: "tptt",
        program: "tptt",
        fresh: true,
        work: { kind: "train", model, memory: "delta_rule", batch: 2, length: 512, timed: "graph" },
      },
      atMost: { seconds: 5 },
      note: "from the first step's start until its session stands; there is no cache of graphs yet, so the goal of 2 s for the second start is not measured",
    },
    {
      name: "process start to first token from the GGUF file",
      ours: { name: "tptt", program: "tptt", fresh: true, work: firstToken },
      references: llama
        ? [{ name: "llama.cpp, base model", program: "llama.cpp", fresh: true, work: firstToken }]
        : [],
      atMost: { seconds: 2 },
    },
  ];
};
