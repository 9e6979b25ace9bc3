import { basename } from "node:path";
import type { TpttConfig } from "./config.js";

/** The README of a saved titan, with the hub's metadata header. */
export function modelCard(config: TpttConfig): string {
  const { recurrentConfig: r, loraConfig: lora } = config;
  const base = basename(config.baseModelName);
  return `---
library_name: tptt
pipeline_tag: text-generation
tags: [tptt, titans, linear-attention, ${lora ? "lora" : "full"}]
---
# Titan of ${base}

Every attention layer of ${base} has a second, linear-attention path (a delta-rule memory) over the layer's own
projections, mixed with softmax attention by a gate (TPTT, [arXiv 2506.17671](https://arxiv.org/abs/2506.17671)).

| | |
|---|---|
| operator | ${config.operatorMode ?? "custom"}: order ${r.order}, trick ${r.trick}, alpha gate ${r.alphaGate}, beta gate ${r.betaGate}, ${r.linear ? "linear" : "not linear"} |
| memory's share (mu) | ${config.magWeight} |
| fine-tuning | ${lora ? `LoRA, r ${lora.r}, alpha ${lora.loraAlpha}` : "none"} |

\`\`\`sh
npx tptt generate --model . --prompt "The capital of France is" --max-new-tokens 64
\`\`\`
`;
}
