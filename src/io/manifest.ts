import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { errorCode, InputError } from "../errors.js";
import { writeFileAtomic } from "./atomic-file.js";
import { fileError } from "./byte-source.js";
import { readJsonFileIfPresent } from "./json-file.js";
import { pathInside } from "./model-folder.js";
import { mapOf, parseWith } from "./validate.js";

const manifestFile = "manifest.json";

/** A name that stays inside of the folder. */
const fileName = z.string().regex(/^(?!\.{1,2}$)[^/\\]+$/, "expected the name of a file in the folder");
const entrySchema = z.object({ size: z.int().nonnegative(), sha256: z.string().regex(/^[0-9a-f]{64}$/) });
const schema = z.object({
  files: mapOf(fileName, entrySchema),
});

/**
 * Writes `manifest.json` into a folder: the size and the SHA-256 of each of its files, so that one that is cut off,
 * changed or lost can be told later. To be called when all else is written.
 *
 * @param leaveOut files that may change.
 */
export async function writeManifest(folder: string, leaveOut: readonly string[] = []): Promise<void> {
  const files = new Map<string, z.output<typeof entrySchema>>();
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  for (const name of names.filter((name) => ![manifestFile, ...leaveOut].includes(name)).sort()) {
    const path = join(folder, name);
    files.set(name, { size: (await stat(path)).size, sha256: await sha256Of(path) });
  }
  await writeFileAtomic(
    join(folder, manifestFile),
    `${JSON.stringify({ files: Object.fromEntries(files) }, null, 2)}\n`,
  );
}

/**
 * Compares a folder with its `manifest.json`; files that it does not list may be there too.
 *
 * @throws InputError naming the file that is missing or not what it was, the manifest itself too.
 */
export async function checkManifest(folder: string): Promise<void> {
  const where = join(folder, manifestFile);
  const manifest = await readJsonFileIfPresent(await pathInside(folder, manifestFile));
  if (manifest === undefined) throw new InputError(where, "is missing; it is written last of all");
  const { files } = parseWith(schema, manifest, where);
  for (const [name, { size, sha256 }] of files) {
    const path = await pathInside(folder, name);
    const found = await stat(path).catch((error: unknown) => {
      if (errorCode(error) === "ENOENT") throw new InputError(path, `is missing; ${manifestFile} lists it`);
      throw fileError(path, error);
    });
    if (!found.isFile()) throw new InputError(path, `is no file; ${manifestFile} lists one`);
    if (found.size !== size) {
      throw new InputError(path, `has ${found.size} bytes, ${manifestFile} says ${size}; it is torn`);
    }
    if ((await sha256Of(path)) !== sha256) {
      throw new InputError(path, `is not what was written, by its SHA-256 in ${manifestFile}`);
    }
  }
}

/** The SHA-256 of a file, in hexadecimal. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), hash);
  return hash.digest("hex");
}
