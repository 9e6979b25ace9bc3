import type { Row, Suite } from "../row.js";
import { type DecodeWork, shortPrompt } from "../work.js";

/** Greedy decoding, and what it costs after a long context. */
export const decode: Suite = ({ model, folder, llama, quick, fileBytes }) => {
  const work: DecodeWork = {
    kind: "decode",
    model,
    memory: "delta_rule",
    quantize: "gguf",
    mu: 0.5,
    context: shortPrompt,
    tokens: 64,
  };
  const tokens = work.tokens;
  const theirs = { program: "python", tokens } as const;
  // A token reads every weight once.
  const needs = { bytes: fileBytes };
  const greedy: Row = {
    name: `${tokens} tokens, mu 0.5, the file's blocks`,
    ours: { name: "tptt", program: "tptt", work, tokens },
    needs,
    references: [
      ...(llama
        ? [{ name: "llama.cpp, base model", program: "llama.cpp", work, tokens, atLeast: 1 } as const]
        : []),
      { name: "tptt, f32", program: "tptt", work: { ...work, quantize: "none" }, tokens },
      ...(folder
        ? [
            { name: "Python tptt, f32", ...theirs, work: { ...work, model: folder } },
            {
              name: "transformers, base model, f32",
              ...theirs,
              work: { ...work, model: folder, memory: "off" },
            } as const,
          ]
        : []),
    ],
  };
  /** The same work after a long and after a short context: neither time nor memory may differ by more than 5 %. */
  const flat = (name: string, long: number, short: number, changes: Partial<DecodeWork>): Row => {
    const after = (context: number): DecodeWork => ({ ...work, ...changes, context, tokens: 32 });
    return {
      name: `${name}, the file's blocks, after ${long} tokens`,
      ours: { name: "tptt", program: "tptt", work: after(long), tokens: 32 },
      needs,
      profile: false,
      references: [
        {
          name: `tptt after ${short}`,
          program: "tptt",
          work: after(short),
          tokens: 32,
          atLeast: 1 / 1.05,
          memoryAtMost: 1.05,
        },
      ],
    };
  };
  return [
    greedy,
    flat("mu 1", quick ? 4096 : 32_768, 1024, { mu: 1 }),
    flat("mu 0.5, max_self_attn_length 512", quick ? 2048 : 8192, 1024, { maxSelfAttnLength: 512 }),
  ];
};
