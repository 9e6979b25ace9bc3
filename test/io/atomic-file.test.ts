import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { InputError } from "../../src/errors.js";
import {
  clearLeftovers,
  recoverFolder,
  removeFolder,
  writeFileAtomic,
  writeFolderAtomic,
} from "../../src/io/atomic-file.js";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tptt-"));
});
afterEach(() => rm(root, { recursive: true }));

const text = (...path: string[]) => readFile(join(root, ...path), "utf8");

describe("a file", () => {
  test("takes texts, bytes and pieces, and replaces what was there", async () => {
    const path = join(root, "a");
    await writeFileAtomic(path, "text");
    expect(await text("a")).toBe("text");
    await writeFileAtomic(path, Buffer.from("bytes"));
    expect(await text("a")).toBe("bytes");
    await writeFileAtomic(path, [Buffer.from("pi"), Buffer.from(""), Buffer.from("eces")]);
    expect(await text("a")).toBe("pieces");
    expect(await readdir(root)).toEqual(["a"]);
  });

  test("keeps its old content, and leaves nothing beside it, when writing fails midway", async () => {
    const path = join(root, "a");
    await writeFileAtomic(path, "old");
    async function* pieces() {
      yield Buffer.from("new");
      throw new Error("no more");
    }
    await expect(writeFileAtomic(path, pieces())).rejects.toThrow("no more");
    expect(await text("a")).toBe("old");
    expect(await readdir(root)).toEqual(["a"]);
  });

  test("that cannot be written is told with what to do", async () => {
    const trying = async (...names: string[]) => {
      const path = join(root, ...names);
      const error: Error = await writeFileAtomic(path, "x").catch((error) => error);
      expect(error).toBeInstanceOf(InputError);
      return error.message.replace(`${path}: cannot be written: `, "");
    };
    expect(await trying("no", "a")).toBe("its folder does not exist; make it, or check the path");
    await writeFile(join(root, "file"), "");
    expect(await trying("file", "a")).toBe("a file is in the place of its folder; check the path");
    await mkdir(join(root, "folder"));
    expect(await trying("folder")).toBe("it is a folder; check the path");
    expect((await readdir(root)).sort()).toEqual(["file", "folder"]);
  });
});

describe("a folder", () => {
  const fill = (content: string) => (folder: string) => writeFile(join(folder, "a"), content);

  test("appears whole, with the folders above it, and is replaced whole", async () => {
    const path = join(root, "x", "model");
    await writeFolderAtomic(path, fill("one"));
    await writeFile(join(path, "stale"), "");
    await writeFolderAtomic(path, fill("two"));
    expect(await readdir(path)).toEqual(["a"]);
    expect(await text("x", "model", "a")).toBe("two");
    expect(await readdir(join(root, "x"))).toEqual(["model"]);
  });

  test("stays as it was when filling fails", async () => {
    const path = join(root, "model");
    await writeFolderAtomic(path, fill("one"));
    const failing = async (folder: string) => {
      await fill("two")(folder);
      throw new Error("no more");
    };
    await expect(writeFolderAtomic(path, failing)).rejects.toThrow("no more");
    expect(await text("model", "a")).toBe("one");
    expect(await readdir(root)).toEqual(["model"]);
  });

  test("that a crash left set aside comes back, and one that is not needed goes", async () => {
    const path = join(root, "model");
    const aside = join(root, ".model.old.tmp");
    await writeFolderAtomic(path, fill("one"));
    await rename(path, aside);
    await recoverFolder(path);
    expect(await text("model", "a")).toBe("one");
    await mkdir(aside);
    await recoverFolder(path);
    await recoverFolder(path);
    expect(await readdir(root)).toEqual(["model"]);
  });
});

test("what killed processes left is cleared away, and nothing else", async () => {
  const folder = join(root, "model");
  await writeFolderAtomic(folder, (path) => writeFile(join(path, "a"), "one"));
  await rename(folder, join(root, ".model.old.tmp"));
  await mkdir(join(root, ".model.0123456789ab.tmp"));
  for (const name of [".a.0123456789ab.tmp", ".a.tmp", "a.0123456789ab.tmp"]) {
    await writeFile(join(root, name), "");
  }
  await clearLeftovers(root);
  expect((await readdir(root)).sort()).toEqual([".a.tmp", "a.0123456789ab.tmp", "model"]);
  expect(await text("model", "a")).toBe("one");
  await removeFolder(folder);
  expect((await readdir(root)).sort()).toEqual([".a.tmp", "a.0123456789ab.tmp"]);
});
