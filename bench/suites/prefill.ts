import type { Suite } from "../row.js";
import type { PrefillWork } from "../work.js";

/** Reading a prompt of 512 tokens. */
export const prefill: Suite = ({ model, folder, llama }) => {
  const work: PrefillWork = { kind: "prefill", model, memory: "delta_rule", mu: 0.5, length: 512 };
  const tokens = work.length;
  const base = { ...work, memory: "off" } as const;
  return [
    {
      name: "512 tokens, mu 0.5, f32",
      ours: { name: "tptt", program: "tptt", work, tokens },
      references: [
        ...(llama
          ? [
              {
                name: "llama.cpp, base model",
                program: "llama.cpp",
                work: base,
                tokens,
                atLeast: 1.3,
              } as const,
            ]
          : []),
        ...(folder
          ? [
              {
                name: "transformers, base model",
                program: "python",
                work: { ...base, model: folder },
                tokens,
              } as const,
            ]
          : []),
      ],
      // Twice the weights of the 18 blocks; the head reads one token alone.
      gflopPerToken: 0.2,
    },
  ];
};
