import { columns as inColumns } from "../columns.js";
import type { Matrix } from "./matrix.js";

const shades = [" ", "░", "▒", "▓", "█"];

/** Shares as a map in text: a shade and percent for each. */
export function heatMapText({ metric, row, column, rows, columns, cells }: Matrix): string {
  const name = (text: string) => text.replaceAll("_", " ");
  const table = [
    ["", ...columns.map(String)],
    ...rows.map((label, i) => [
      String(label),
      ...cells[i]!.map((cell) => {
        if (cell === undefined || Number.isNaN(cell.value)) return "-";
        const shade = shades[Math.round(cell.value * (shades.length - 1))]!;
        return `${shade.repeat(2)} ${Math.round(100 * cell.value)}`;
      }),
    ]),
  ];
  return `${name(metric)} in %, by ${name(row)} (down) and ${name(column)} (across)\n${inColumns(table)}`;
}
