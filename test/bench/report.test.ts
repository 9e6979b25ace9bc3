import { describe, expect, it } from "vitest";
import { goalLinesOf, linesOf, markdownTable, misses, terminalTable } from "../../bench/report.js";
import { type MeasuredRow, median } from "../../bench/row.js";

const work = {
  kind: "train",
  model: "model.gguf",
  memory: "delta_rule",
  batch: 1,
  length: 256,
} as const;
const row: MeasuredRow = {
  suite: "train",
  name: "delta_rule",
  busy: 0,
  took: 130,
  ours: { name: "tptt", program: "tptt", work, tokens: 256, seconds: [1, 3, 2], peakBytes: 2.5e9 },
  references: [
    {
      name: "Python",
      program: "python",
      work,
      tokens: 256,
      seconds: [20, 60, 40],
      peakBytes: 5e9,
      atLeast: 20,
      memoryAtMost: 0.4,
    },
    {
      name: "other",
      program: "python",
      work,
      seconds: [],
      peakBytes: 0,
      failed: "killed by SIGKILL",
      atLeast: 2,
    },
  ],
  atMost: { bytes: 3e9, seconds: 1 },
  needs: { gflop: 1.3 },
};
const limits = { gflops: 416, bytesPerSecond: 50e9 };

describe("a report", () => {
  it("takes the median, the mean of the two in the middle", () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 10])).toBe(3.5);
  });

  it("sets what was measured against every goal", () => {
    const [ours, python, other] = linesOf(row, limits);
    expect(ours).toMatchObject({
      measured: "128 tok/s (3 repetitions)",
      memory: "2.50 GB",
      goal: "<= 1 s, <= 3 GB",
      met: "no, yes",
      limit: "40 %",
    });
    expect(python).toMatchObject({
      measured: "6.40 tok/s (3 repetitions)",
      compared: "20.0x, memory 0.50x",
      goal: ">= 20x, memory <= 0.4x",
      met: "yes, no",
    });
    expect(other).toMatchObject({
      measured: "failed: killed by SIGKILL",
      memory: "",
      compared: "",
      met: "no",
    });
    expect(misses(row)).toBe(true);
  });

  it("lists every goal with what it is set against", () => {
    const goals = goalLinesOf(row, limits);
    expect(goals.map(({ goal, measured, met }) => [goal, measured, met])).toEqual([
      ["<= 1 s", "128 tok/s (3 repetitions)", "no"],
      ["<= 3 GB", "2.50 GB", "yes"],
      [">= 20x", "20.0x", "yes"],
      ["memory <= 0.4x", "0.50x", "no"],
      [">= 2x", "not measured", "no"],
    ]);
    expect(goals[2]).toMatchObject({
      work: "train: delta_rule",
      beside: "Python: 6.40 tok/s (3 repetitions), 5.00 GB",
      limit: "40 %",
    });
  });

  it("compares losses where the work has one", () => {
    const side = { program: "tptt", work, seconds: [1], peakBytes: 1e9 } as const;
    const lossy: MeasuredRow = {
      suite: "accuracy",
      name: "text",
      busy: 0,
      took: 2,
      ours: { name: "f32", ...side, loss: 2 },
      references: [
        { name: "int8", ...side, loss: 1.992, lossWithin: 0.01 },
        { name: "int4", ...side, loss: 2.06, lossWithin: 0.05 },
      ],
    };
    const [ours, int8, int4] = linesOf(lossy, limits);
    expect(ours).toMatchObject({ measured: "loss 2.0000, perplexity 7.39", goal: "", met: "" });
    expect(int8).toMatchObject({ compared: "loss -0.0080", goal: "loss within 0.01", met: "yes" });
    expect(int4).toMatchObject({ compared: "loss +0.0600", goal: "loss within 0.05", met: "no" });
  });

  it("sets decoding against the memory that it reads", () => {
    const [ours] = linesOf({ ...row, needs: { bytes: 0.25e9 } }, limits);
    expect(ours!.limit).toBe("64 %");
  });

  it("aligns the columns of a table", () => {
    const lines = terminalTable(linesOf(row, limits)).split("\n");
    expect(lines).toHaveLength(4);
    const column = lines[0]!.indexOf("measured");
    expect(lines[1]!.slice(column)).toMatch(/^128 tok\/s/);
    expect(lines[2]!.slice(column)).toMatch(/^6\.40 tok\/s/);
  });

  it("writes tables in Markdown", () => {
    expect(
      markdownTable([
        { a: "first", b: "second" },
        { a: "1|2", b: "" },
      ]),
    ).toBe("| first | second |\n| --- | --- |\n| 1\\|2 |  |");
  });
});
