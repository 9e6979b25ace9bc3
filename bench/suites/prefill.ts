import type { Reference, Suite } from "../row.js";
import type { PrefillWork } from "../work.js";

/** Reading a prompt of 512 tokens. */
export const prefill: Suite = ({ model, folder, llama }) => {
  const work: PrefillWork = {
    kind: "prefill",
    model,
    memory: "delta_rule",
    quantize: "gguf",
    mu: 0.5,
    length: 512,
  };
  const tokens = work.length;
  const beside = (name: string, program: Reference["program"], changes: Partial<PrefillWork>): Reference => ({
    name,
    program,
    work: { ...work, ...changes },
    tokens,
  });
  return [
    {
      name: `${tokens} tokens, mu 0.5, the file's blocks`,
      ours: { name: "tptt", program: "tptt", work, tokens },
      references: [
        ...(llama
          ? [{ ...beside("llama.cpp, base model", "llama.cpp", { memory: "off" }), atLeast: 1.3 }]
          : []),
        beside("tptt, f32", "tptt", { quantize: "none" }),
        ...(folder
          ? [
              beside("Python tptt, f32", "python", { model: folder }),
              beside("transformers, base model, f32", "python", { model: folder, memory: "off" }),
            ]
          : []),
      ],
      // Twice the weights of the 18 blocks; the head reads one token alone.
      needs: { gflop: 0.2 },
    },
  ];
};
