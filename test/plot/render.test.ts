import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { InputError } from "../../src/errors.js";
import { renderSvg, writePlot } from "../../src/plot/render.js";
import { temporaryFolder } from "../models/fixture.js";

const spec = {
  width: 100,
  height: 50,
  data: { values: [{ x: 1 }, { x: 2 }] },
  mark: "point" as const,
  encoding: { x: { field: "x", type: "quantitative" as const, title: "an axis" } },
};

test("an SVG has the plot's size and its labels as text", async () => {
  const svg = await renderSvg(spec);
  expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
  expect(svg).toContain(">an axis</text>");
});

test("the file's ending says what it is; a PNG has twice the size of the SVG", async () => {
  const folder = await temporaryFolder();
  const [svg, png] = [join(folder, "a.SVG"), join(folder, "a.png")];
  await writePlot(svg, spec);
  await writePlot(png, spec);
  const [, width] = /width="([\d.]+)"/.exec(await readFile(svg, "utf8"))!;
  const bytes = await readFile(png);
  expect(bytes.subarray(1, 4).toString()).toBe("PNG");
  expect(Math.abs(bytes.readUInt32BE(16) - 2 * Number(width))).toBeLessThanOrEqual(1);
});

test("another ending is refused and nothing is written", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "a.jpg");
  await expect(writePlot(path, spec)).rejects.toThrow(InputError);
  await expect(writePlot(path, spec)).rejects.toThrow(`${path}: ends in .jpg, expected .svg or .png`);
  await expect(writePlot(join(folder, "a"), spec)).rejects.toThrow("a: ends in nothing");
  expect(await readdir(folder)).toEqual([]);
});
