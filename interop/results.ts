import { mkdir, writeFile } from "node:fs/promises";

/** A table of what a script measured; docs/interop.md is made of them. */
export interface Results {
  readonly title: string;
  /** What the numbers are. */
  readonly text?: string;
  /** Every row has the columns that it needs; numbers are differences. */
  readonly rows: readonly Readonly<Record<string, string | number>>[];
}

/** Writes `<folder>/<name>.json`. */
export async function writeResults(folder: string, name: string, results: Results): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}/${name}.json`, `${JSON.stringify(results, null, 2)}\n`);
}
