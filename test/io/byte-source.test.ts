import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InputError } from "../../src/errors.js";
import { type ByteSource, memorySource, openFile } from "../../src/io/byte-source.js";

const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
let folder: string;
let file: ByteSource;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tptt-"));
  await writeFile(join(folder, "data"), bytes);
  file = await openFile(join(folder, "data"));
});
afterAll(async () => {
  await file.close();
  await rm(folder, { recursive: true });
});

describe.each(["a file", "memory"])("a source over %s", (kind) => {
  const source = () => (kind === "memory" ? memorySource("data", bytes) : file);

  test("gives any range in a fresh buffer", async () => {
    expect(source().size).toBe(100);
    const part = await source().read(97, 3);
    expect([...part]).toEqual([97, 98, 99]);
    expect([part.byteOffset, part.buffer.byteLength]).toEqual([0, 3]);
    expect((await source().read(100, 0)).length).toBe(0);
  });

  test.each([
    [90, 11],
    [101, 0],
    [0, Number.MAX_SAFE_INTEGER],
  ])("refuses the range %i+%i past its end", async (offset, length) => {
    const failed = await source()
      .read(offset, length, "the part")
      .catch((error) => error);
    expect(failed).toBeInstanceOf(InputError);
    expect(failed.message).toContain(`the part needs bytes ${offset}..`);
    expect(failed.message).toContain("the file has 100; it is truncated or corrupt");
  });

  test.each([
    [-1, 2],
    [0, -1],
    [0.5, 1],
    [0, Number.NaN],
    [0, 2 ** 60],
  ])("refuses the impossible range %d+%d", async (offset, length) => {
    await expect(source().read(offset, length)).rejects.toThrow("data has the impossible range");
  });
});

test("a file that is cut while it is open is reported", async () => {
  const path = join(folder, "cut");
  await writeFile(path, bytes);
  const source = await openFile(path);
  await writeFile(path, "");
  await expect(source.read(0, 100, "the part")).rejects.toThrow("cut: ended while the part was being read");
  await source.close();
});

test("what is no file is refused with its path", async () => {
  await expect(openFile(join(folder, "nowhere"))).rejects.toThrow("nowhere: does not exist; check the path");
  await expect(openFile(join(folder, "data", "x"))).rejects.toThrow("does not exist");
  await expect(openFile("x".repeat(5000))).rejects.toThrow(
    "is not a path that can be followed (ENAMETOOLONG)",
  );
  await expect(openFile("a\0b")).rejects.toThrow(
    "is not a path that can be followed (ERR_INVALID_ARG_VALUE)",
  );
  await expect(openFile(folder)).rejects.toThrow(`${folder}: is not a regular file; give the path of a file`);
});

test.skipIf(process.platform === "win32")("a pipe is refused, and not waited for", async () => {
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  await expect(openFile(path)).rejects.toThrow(`${path}: is not a regular file`);
});
