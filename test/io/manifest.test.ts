import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkManifest, writeManifest } from "../../src/io/manifest.js";
import { temporaryFolder } from "../models/fixture.js";

/** A folder with two files, a card that may change, and a manifest. */
async function folderOfFiles(): Promise<string> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "a"), "abc");
  await writeFile(join(folder, "empty"), "");
  await writeFile(join(folder, "README.md"), "card");
  await mkdir(join(folder, "inside"));
  await writeManifest(folder, ["README.md"]);
  return folder;
}

test("a manifest has the size and the SHA-256 of each file, but for those that may change", async () => {
  const folder = await folderOfFiles();
  expect(JSON.parse(await readFile(join(folder, "manifest.json"), "utf8"))).toEqual({
    files: {
      a: { size: 3, sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
      empty: { size: 0, sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    },
  });
  await writeFile(join(folder, "README.md"), "changed");
  await writeFile(join(folder, "notes"), "added");
  await expect(checkManifest(folder)).resolves.toBeUndefined();
});

test("a file may have any name, and is checked by it", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "__proto__"), "abc");
  await writeManifest(folder);
  await checkManifest(folder);
  await writeFile(join(folder, "__proto__"), "abd");
  await expect(checkManifest(folder)).rejects.toThrow("__proto__: is not what was written");
});

const damages: Record<string, [(folder: string) => Promise<void>, RegExp]> = {
  "a file that is cut off": [
    (folder) => writeFile(join(folder, "a"), "ab"),
    /a: has 2 bytes, manifest.json says 3; it is torn$/,
  ],
  "a byte that has changed": [
    (folder) => writeFile(join(folder, "a"), "abd"),
    /a: is not what was written, by its SHA-256 in manifest.json$/,
  ],
  "a file that is gone": [
    (folder) => rm(join(folder, "empty")),
    /empty: is missing; manifest.json lists it$/,
  ],
  "a manifest that is gone": [
    (folder) => rm(join(folder, "manifest.json")),
    /manifest.json: is missing; it is written last of all$/,
  ],
  "a manifest that is cut off": [
    (folder) => writeFile(join(folder, "manifest.json"), '{"files": {'),
    /manifest.json: is not valid JSON/,
  ],
  "a manifest that names a file outside": [
    (folder) =>
      writeFile(
        join(folder, "manifest.json"),
        JSON.stringify({ files: { "../a": { size: 3, sha256: "0".repeat(64) } } }),
      ),
    /manifest.json: files\.\.\.\/a: is .*; expected the name of a file in the folder$/,
  ],
};

test.each(Object.entries(damages))("%s is told", async (_, [damage, message]) => {
  const folder = await folderOfFiles();
  await damage(folder);
  await expect(checkManifest(folder)).rejects.toThrow(message);
});
