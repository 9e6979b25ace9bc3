import { describe, expect, test } from "vitest";
import { chart } from "../../src/cli/chart.js";

const x = { name: "step", first: 1, last: 100 };
const ramp = Array.from({ length: 100 }, (_, i) => i);

describe("chart", () => {
  test("draws two curves with their scales", () => {
    const text = chart({
      series: [
        { name: "loss", values: ramp.map((i) => 1 + 3 * Math.exp(-i / 20)) },
        { name: "mu", values: ramp.map((i) => Math.min(0.5, i / 100)) },
      ],
      x,
      width: 24,
      height: 6,
    });
    expect(`\n${text}`).toMatchInlineSnapshot(`
      "
            ⣿ loss   • mu
      3.93 │⠱⡀         •••••••••••••│ 0.5
           │ ⠱⡀      ••             │
           │  ⠑⢄  •••               │
      2.18 │   ⠈•⡀                  │ 0.209
           │  •• ⠈⠒⠤⣀               │
      1.02 │••       ⠉⠉⠒⠒⠤⠤⠤⠤⢄⣀⣀⣀⣀⣀⣀│ 0.015
           └────────────────────────┘
            step 1               100"
    `);
  });

  test("draws one curve without a right axis, dot by dot", () => {
    const text = chart({
      series: [{ name: "loss", values: [0, 1, 2, 3, 4, 5, 6, 7] }],
      x,
      width: 4,
      height: 2,
    });
    expect(text.split("\n")).toEqual(["   ⣿ loss", "7 │  ⡠⠊", "0 │⡠⠊", "  └────", "   step 1 100"]);
  });

  test("joins steep neighbours and leaves gaps where there is no number", () => {
    const rows = (values: number[]) =>
      chart({ series: [{ name: "a", values }], x, width: 2, height: 2 })
        .split("\n")
        .slice(1, 3)
        .map((row) => row.split("│")[1]);
    expect(rows([0, 7, 7, 7])).toEqual(["⢸⠉", "⡸"]);
    expect(rows([0, 0, Number.NaN, 7])).toEqual([" ⠈", "⣀"]);
  });

  test("puts a constant in the middle, and survives empty and endless values", () => {
    const constant = chart({ series: [{ name: "a", values: [5, 5, 5] }], x, width: 8, height: 3 });
    expect(constant.split("\n").map((row) => /[\u2801-\u28fe]/.test(row))).toEqual([
      false,
      false,
      true,
      false,
      false,
      false,
    ]);
    expect(constant).toContain("5 │");
    for (const values of [[], [Number.NaN], [1], [1, Infinity, 2]]) {
      const rows = chart({ series: [{ name: "a", values }], x, width: 8, height: 3 }).split("\n");
      expect(rows).toHaveLength(6);
      expect(rows.join("")).not.toMatch(/NaN|Infinity/);
    }
  });

  test("shows both curves where they lie on each other", () => {
    const values = ramp.map(() => 1);
    const text = chart({
      series: [
        { name: "a", values },
        { name: "b", values },
      ],
      x,
      width: 8,
      height: 3,
    });
    const row = text.split("\n")[2]!;
    expect(row.match(/•/g)).toHaveLength(4);
    expect(row.match(/[\u2801-\u28fe]/g)).toHaveLength(4);
  });

  test("gives means where there are more values than dots", () => {
    // Six bins of sixteen zigzags: the first from -4 to 4, its mean 0, the others from 0 to 8.
    const values = Array.from({ length: 96 }, (_, i) => (i % 2) * 8 - (i < 16 ? 4 : 0));
    const rows = chart({ series: [{ name: "a", values }], x, width: 3, height: 3 })
      .split("\n")
      .slice(1, 4);
    expect(rows).toEqual(["4 │⢸⠉⠉", "2 │⢸", "0 │⡸"]);
  });
});
