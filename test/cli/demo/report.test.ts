import { expect, test } from "vitest";
import { demoReport } from "../../../src/cli/demo/report.js";
import type { DemoResult } from "../../../src/cli/demo/run-demo.js";

const row = (name: string, [inside, beyond]: readonly [number, number]) => {
  const counted = (matches: number, total: number, loss: number) => ({
    matches,
    total,
    rate: matches / total,
    interval: [0, 1] as const,
    loss,
  });
  return {
    name,
    magWeights: [],
    recalls: [
      { band: { name: "inside", near: 6, far: 47 }, ...counted(inside, 10, 0.5) },
      { band: { name: "1-2x", near: 48, far: 95 }, ...counted(beyond, 10, 1) },
      { band: { name: "2-4x", near: 96, far: 191 }, ...counted(beyond, 30, 3) },
    ],
  };
};
const reading = (tokensPerSecond: number, bytes: number) => ({
  tokensPerSecond,
  stateBytes: [
    { tokens: 128, bytes },
    { tokens: 896, bytes },
  ],
});
const result: DemoResult = {
  window: 48,
  base: { ...row("base model", [10, 0]), reading: reading(70000.4, 98304) },
  titan: { ...row("titan, mu 0.5", [9, 10]), reading: reading(40000, 133120) },
  variants: [{ ...row("titan, mu 0", [8, 1]), meaning: "no memory" }],
  curves: { loss: [3, 1, 0.5], mu: [0, 0.25, 0.5] },
  training: {
    steps: 3,
    tokens: 30,
    skipped: 0,
    tokensPerSecond: 10,
    interrupted: false,
    checkpoint: undefined,
  },
  question: {
    prompt: `anna figs . ${"the old hill rests here . ".repeat(5)}? anna`,
    answer: "figs",
    distance: 33,
  },
  answers: { base: "tea", titan: "figs" },
  seconds: 4,
};

test("what a demo measured is told in tables, a chart and one answer", () => {
  const report = demoReport(result);
  expect(report).toContain(`Attention sees 48 tokens; guessing gives 3.1 %.

  windows         inside     1-2x    2-4x
  tokens            6-47    48-95  96-191
  questions           10       10      30
  base model     100.0 %    0.0 %   0.0 %
  titan, mu 0.5   90.0 %  100.0 %  33.3 %
`);
  expect(report).toContain(`
                                             base model  titan, mu 0.5
  loss of an answer, fact inside the window       0.500          0.500
  loss of an answer, fact beyond it               2.500          2.500
  tokens read a second                           70,000         40,000
  bytes of state after 128 tokens                98,304        133,120
  bytes of state after 896 tokens                98,304        133,120
`);
  expect(report).toContain("  titan, mu 0  no memory\n");
  expect(report).toContain("⣿ loss of an answer   • mu, the memory's share");
  expect(report).toMatch(
    /tokens after its fact: \.\.\. anna figs \. \[24 words\] the old hill rests here \. \? anna\n {2}base model: tea\n {2}titan: figs$/,
  );
});
