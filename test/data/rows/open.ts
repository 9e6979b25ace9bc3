import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openRows } from "../../../src/data/dataset-files.js";
import type { RowFile } from "../../../src/data/rows/row-file.js";
import { temporaryFolder } from "../../models/fixture.js";

/** Writes a file and opens it. */
export async function openWritten(name: string, content: string | Uint8Array): Promise<RowFile> {
  const path = join(await temporaryFolder(), name);
  await writeFile(path, content);
  return openRows(path, []);
}

/** What the scan of a file gives, read there and then and again by its place; a problem where a row is malformed. */
export async function rowsOf(file: RowFile) {
  const folder = file.path.slice(0, file.path.lastIndexOf("/") + 1);
  const rows: { where: string; value: unknown }[] = [];
  const again: unknown[] = [];
  const short = (text: string) => text.replaceAll(folder, "");
  const attempt = async (read: () => unknown) => {
    try {
      return await read();
    } catch (error) {
      return (error as Error).message;
    }
  };
  try {
    for await (const some of file.scan()) {
      for (const { where, offset, size, value } of some) {
        const now = await attempt(value);
        rows.push({ where: short(where), value: typeof now === "string" ? short(now) : now });
        again.push(await attempt(() => file.read(offset, size)));
      }
    }
  } finally {
    await file.close();
  }
  return { rows, values: rows.map(({ value }) => value), again };
}
