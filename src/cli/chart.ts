/** A named curve; values that are not finite leave gaps. */
export interface ChartSeries {
  readonly name: string;
  readonly values: readonly number[];
}

export interface ChartOptions {
  readonly series: readonly [ChartSeries] | readonly [ChartSeries, ChartSeries];
  /** The horizontal axis: its name, and where the first and the last value stand. */
  readonly x: { readonly name: string; readonly first: number; readonly last: number };
  /** Columns and rows of the plot itself, without labels. */
  readonly width?: number;
  readonly height?: number;
}

/**
 * Draws one or two curves over the same steps in text: the first in Braille dots with its scale on the left, the second
 * as `•` with a scale of its own on the right.
 */
export function chart({ series, x, width = 60, height = 9 }: ChartOptions): string {
  const [first, second] = series;
  const curve = resample(first.values, 2 * width);
  const left = new Scale(curve);
  const cells = brailleCurve(curve, left, width, height);
  const marks = second && resample(second.values, width);
  const right = marks && new Scale(marks);
  if (marks && right) overlayMarks(cells, marks, right);

  const leftLabels = labels(left, height);
  const rightLabels = right && labels(right, height);
  const margin = Math.max(...leftLabels.map((label) => label.length));
  const rows = cells.map((row, index) => {
    const rightAxis = rightLabels ? `│ ${rightLabels[index]}` : "";
    return `${leftLabels[index]!.padStart(margin)} │${row.join("")}${rightAxis}`.trimEnd();
  });

  const indent = " ".repeat(margin + 2);
  const legend = `${indent}⣿ ${first.name}${second ? `   • ${second.name}` : ""}`;
  const axis = `${" ".repeat(margin)} └${"─".repeat(width)}${second ? "┘" : ""}`;
  const [from, to] = [`${x.name} ${x.first}`, String(x.last)];
  const ticks = `${indent}${from} ${to.padStart(width - from.length - 1)}`;
  return [legend, ...rows, axis, ticks].join("\n");
}

/** The range of a curve's values, mapped to 0 (bottom) .. 1 (top). */
class Scale {
  readonly #low: number;
  readonly #high: number;

  constructor(values: readonly number[]) {
    const finite = values.filter(Number.isFinite);
    const low = finite.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
    const high = finite.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    // A constant lies in the middle of a range around it.
    const spread = low === high ? Math.abs(low) || 1 : 0;
    this.#low = low - spread;
    this.#high = high + spread;
  }

  share(value: number): number {
    return (value - this.#low) / (this.#high - this.#low);
  }

  label(share: number): string {
    const value = this.#low + share * (this.#high - this.#low);
    return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : "";
  }
}

/** One label a row: the values at the top, the middle and the bottom. */
function labels(scale: Scale, height: number): string[] {
  const labelled = new Set([0, height >> 1, height - 1]);
  return Array.from({ length: height }, (_, row) =>
    labelled.has(row) ? scale.label(1 - row / (height - 1)) : "",
  );
}

/** Bits of a Braille character (U+2800), by row and column of its 4 x 2 dots. */
const dots = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;

/** A curve of points [2 * width] in characters [height][width]; neighbouring points are joined. */
function brailleCurve(points: readonly number[], scale: Scale, width: number, height: number): string[][] {
  const bits = Array.from({ length: height }, () => new Array<number>(width).fill(0));
  let before: number | undefined;
  for (const [column, value] of points.entries()) {
    if (Number.isNaN(value)) {
      before = undefined;
      continue;
    }
    const y = Math.round((1 - scale.share(value)) * (4 * height - 1));
    // The stroke starts beside the point before, not at its height again: steep parts stay one dot wide.
    const start = before === undefined || before === y ? y : before + Math.sign(y - before);
    for (let at = Math.min(start, y); at <= Math.max(start, y); at++) {
      bits[at >> 2]![column >> 1]! |= dots[at & 3]![column & 1]!;
    }
    before = y;
  }
  return bits.map((row) => row.map((cell) => (cell === 0 ? " " : String.fromCharCode(0x2800 + cell))));
}

/** Marks a second curve [width]; where it meets the first, every other mark gives way, so that both stay visible. */
function overlayMarks(cells: string[][], marks: readonly number[], scale: Scale): void {
  for (const [column, value] of marks.entries()) {
    if (Number.isNaN(value)) continue;
    const row = cells[Math.round((1 - scale.share(value)) * (cells.length - 1))]!;
    if (row[column] === " " || column % 2 === 0) row[column] = "•";
  }
}

/** `count` values over the same span: means where there are more values than that, straight lines where there are fewer. */
function resample(values: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    if (values.length < count) {
      const at = (i / (count - 1)) * (values.length - 1);
      const [a, b] = [values[Math.floor(at)] ?? Number.NaN, values[Math.ceil(at)] ?? Number.NaN];
      const value = a + (b - a) * (at - Math.floor(at));
      return Number.isFinite(value) ? value : Number.NaN;
    }
    const bin = values
      .slice(Math.floor((i * values.length) / count), Math.floor(((i + 1) * values.length) / count))
      .filter(Number.isFinite);
    return bin.reduce((a, b) => a + b, 0) / bin.length;
  });
}
