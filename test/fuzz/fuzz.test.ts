import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { Random } from "../../src/random.js";
import { fuzz } from "./fuzz.js";
import { readers } from "./readers/index.js";

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "tptt-fuzzed-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

const names = readers.map(({ name }) => name);

test("2,000 changed files are read or refused: no other error, crash, hang, or memory without measure", async () => {
  const { failures, tallies } = await fuzz({
    readers: names,
    seed: 20_000,
    count: 400,
    processes: 2,
    keep: await folder(),
  });
  expect(failures).toEqual([]);
  expect([...tallies.keys()]).toEqual(names);
  for (const [name, { files, refused }] of tallies) {
    expect(files, name).toBe(400);
    // Changes that all are refused, or none, would test little.
    expect(refused, name).toBeGreaterThan(100);
    expect(refused, name).toBeLessThan(390);
  }
});

test("a seed gives the same file again", async () => {
  for (const reader of readers) {
    const [a, b] = [await reader.samples(await folder()), await reader.samples(await folder())];
    for (let seed = 0; seed < 50; seed++) {
      const file = (samples: typeof a) => {
        const random = Random.for(seed, reader.name);
        const { bytes, mutate } = random.choice(samples);
        return mutate(bytes, random).toString("base64");
      };
      expect(file(a)).toBe(file(b));
    }
  }
});

test("the fuzzer finds what it looks for, keeps the file and goes on", async () => {
  const keep = await folder();
  const module = fileURLToPath(new URL("planted.ts", import.meta.url));
  const planted = ["error", "exit", "rejection", "waiting", "slow", "buffers", "heap", "nothing"];
  const { failures, tallies } = await fuzz({
    module,
    readers: planted,
    seed: 7,
    count: 1,
    processes: 1,
    keep,
  });
  const problems = Object.fromEntries(
    failures.map(({ reader, seed, problem }) => [`${reader}-${seed}`, problem]),
  );
  expect(problems).toEqual({
    "error-7": expect.stringContaining("TypeError: planted"),
    "exit-7": expect.stringContaining("ends the process (SIGABRT)"),
    "rejection-7": expect.stringContaining("nobody waits"),
    "waiting-7": expect.stringContaining("ends the process (13)"),
    "slow-7": expect.stringMatching(/took \d+ ms/),
    "buffers-7": "asked for buffers of 268435456 bytes, the file has 4",
    "heap-7": expect.stringMatching(/ends the process \(SIGABRT\)|bytes of memory/),
  });
  expect(tallies.get("nothing")?.files).toBe(1);
  const files = await readdir(keep);
  expect(files.sort()).toEqual(
    Object.keys(problems)
      .sort()
      .map((name) => `${name}-file.txt`),
  );
  expect(await readFile(join(keep, files[0]!), "utf8")).toBe("text");
});
