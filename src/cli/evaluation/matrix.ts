import type { HeatMapAxes, Metric } from "../../evaluate/result.js";

/** Figures in rows and columns. */
export interface Matrix extends HeatMapAxes {
  readonly rows: readonly (string | number)[];
  readonly columns: readonly (string | number)[];
  /** By row and column; undefined where nothing was measured. */
  readonly cells: readonly (readonly (Metric | undefined)[])[];
}

/** The part of a breakdown that its axes mean. Rows and columns come in the order of the breakdown. */
export function matrixOf(breakdown: readonly Metric[], axes: HeatMapAxes): Matrix {
  const { metric, row, column } = axes;
  const found = breakdown.filter(
    ({ name, where = {} }) => name === metric && where[row] !== undefined && where[column] !== undefined,
  );
  const ordered = (key: string) => {
    const values = [...new Set(found.map(({ where }) => where![key]!))];
    return values.sort((a, b) => Number.parseFloat(String(a)) - Number.parseFloat(String(b)));
  };
  const [rows, columns] = [ordered(row), ordered(column)];
  const cells = rows.map((r) =>
    columns.map((c) => found.find(({ where }) => where![row] === r && where![column] === c)),
  );
  return { metric, row, column, rows, columns, cells };
}
