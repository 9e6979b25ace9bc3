import { describe, expect, it } from "vitest";
import { linesOf, markdownTable, terminalTable } from "../../bench/report.js";
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
  gflopPerToken: 1.3,
};

describe("a report", () => {
  it("takes the median, the mean of the two in the middle", () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 10])).toBe(3.5);
  });

  it("sets what was measured against every goal", () => {
    const [ours, python, other] = linesOf(row);
    expect(ours).toMatchObject({
      speed: "128 tok/s",
      memory: "2.50 GB",
      goal: "<= 1 s, <= 3 GB",
      met: "no, yes",
      limit: "40 %",
    });
    expect(python).toMatchObject({
      speed: "6.40 tok/s",
      ratio: "20.0x, memory 0.50x",
      goal: ">= 20x, memory <= 0.4x",
      met: "yes, no",
    });
    expect(other).toMatchObject({ speed: "failed: killed by SIGKILL", ratio: "", met: "no" });
  });

  it("aligns the columns of a table", () => {
    const lines = terminalTable(linesOf(row)).split("\n");
    expect(lines).toHaveLength(4);
    const column = lines[0]!.indexOf("speed");
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
