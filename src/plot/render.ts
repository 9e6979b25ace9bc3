import { extname } from "node:path";
import type { TopLevelSpec } from "vega-lite";
import { InputError } from "../errors.js";
import { writeFileAtomic } from "../io/atomic-file.js";

/** The endings of the files that a plot can be written to. */
export const plotFormats = [".svg", ".png"] as const;

/** Pixels of a PNG for one unit of the SVG: sharp on screens of high density. */
const pixelsPerUnit = 2;

/** The first family that is there is taken. */
const config = { font: "Helvetica, Arial, DejaVu Sans, sans-serif" };

/** Draws a plot as SVG. Vega is loaded with the first one. */
export async function renderSvg(spec: TopLevelSpec): Promise<string> {
  const [{ Error: errors, parse, View }, { compile }] = await Promise.all([
    import("vega"),
    import("vega-lite"),
  ]);
  const view = new View(parse(compile(spec, { config }).spec), { renderer: "none", logLevel: errors });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/**
 * Draws a plot as PNG, at twice the size of its SVG.
 *
 * @throws InputError when this machine has no font: what is drawn would have no labels.
 */
export async function renderPng(spec: TopLevelSpec): Promise<Uint8Array> {
  const { Resvg } = await import("@resvg/resvg-js");
  const options = { fitTo: { mode: "zoom", value: pixelsPerUnit }, background: "white" } as const;
  const letter = '<svg xmlns="http://www.w3.org/2000/svg"><text y="9">x</text></svg>';
  if (!new Resvg(letter, options).getBBox()?.width) {
    throw new InputError("png", "needs a font and this machine has none; install one, or write an .svg file");
  }
  return new Resvg(await renderSvg(spec), options).render().asPng();
}

/** What a plot's file is by its ending. @throws InputError when it is neither SVG nor PNG. */
export function plotFormat(path: string): (typeof plotFormats)[number] {
  const format = plotFormats.find((ending) => ending === extname(path).toLowerCase());
  if (format) return format;
  throw new InputError(path, `ends in ${extname(path) || "nothing"}, expected ${plotFormats.join(" or ")}`);
}

/** Draws a plot into a file, SVG or PNG by its ending. @throws InputError as {@link plotFormat}, {@link renderPng}. */
export async function writePlot(path: string, spec: TopLevelSpec): Promise<void> {
  const render = plotFormat(path) === ".png" ? renderPng : renderSvg;
  await writeFileAtomic(path, await render(spec));
}
