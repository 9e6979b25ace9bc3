import { expect, test } from "vitest";
import type { ByteSource } from "../../../src/io/byte-source.js";
import type { HubClient } from "../../../src/io/hub/client.js";
import { openRepository } from "../../../src/io/hub/repository.js";
import { Random } from "../../../src/random.js";
import { sha256 } from "./hub-store.js";
import { openHub } from "./use-hub.js";

const random = Random.for(0, "noise");
const weights = Uint8Array.from({ length: 400_000 }, () => random.below(256));
const path = "model.safetensors";

async function expectBytes(file: ByteSource, offset: number, length: number): Promise<void> {
  const found = await file.read(offset, length);
  expect(sha256(found)).toBe(sha256(weights.subarray(offset, offset + length)));
}

/** A hub with a file, opened where it lies. */
async function openRemote(changes: Parameters<Awaited<ReturnType<typeof openHub>>["client"]>[0] = {}) {
  const { hub, client } = await openHub();
  await hub.add("model", "org/model", { [path]: weights });
  const repoOf = (who: HubClient) => openRepository("model", { name: "org/model" }, who);
  const repo = await repoOf(client(changes));
  const ranges = () => hub.requests.filter(({ server }) => server === "storage").map(({ range }) => range);
  return { hub, client, repo, repoOf, ranges, file: await repo.open(path) };
}

test("only what is asked for is sent, from the beginning on with what lies ahead, and the beginning once", async () => {
  const { hub, file, ranges } = await openRemote();
  expect([file.name, file.size]).toEqual(["org/model: model.safetensors", weights.length]);
  for (const [offset, length] of [
    [0, 8],
    [8, 100_000],
    [0, 200_000],
    [100, 150_000],
    [399_000, 1000],
    [0, 0],
  ] as const) {
    await expectBytes(file, offset, length);
  }
  expect(ranges()).toEqual(["bytes=0-131071", "bytes=131072-199999", "bytes=399000-399999"]);
  const sent = hub.requests
    .filter(({ server }) => server === "storage")
    .reduce((sum, { sent }) => sum + sent, 0);
  expect(sent).toBeGreaterThan(201_000);
  expect(sent).toBeLessThan(203_000);
  await expect(file.read(399_999, 2, "a tensor")).rejects.toThrow(
    "org/model: model.safetensors: a tensor needs bytes 399999..400001, the file has 400000",
  );
});

test("a connection that is cut or falls silent is gone on with from where it was", async () => {
  const { hub, file, ranges } = await openRemote({ stallTimeout: 300 });
  hub.fail({ path: "/large/", cutAfter: 40_000, times: 2 });
  hub.fail({ path: "/large/", cutAfter: 10_000, silence: 60_000 });
  hub.fail({ path: "/large/", status: 503 });
  await expectBytes(file, 1000, 299_000);
  const starts = ranges().map((range) => Number(/^bytes=(\d+)-299999$/.exec(range ?? "")?.[1]));
  expect(starts).toHaveLength(5);
  expect(starts).toEqual(starts.toSorted((a, b) => a - b));
  expect(starts.at(-1)).toBeGreaterThan(80_000);
  hub.fail({ path: "/large/", cutAfter: 0, times: 5 });
  await expect(file.read(399_000, 1000)).rejects.toThrow(
    /^org\/model: model.safetensors: .*cannot be reached/,
  );
});

test("of a server that knows no ranges what was asked for is taken", async () => {
  const { hub, file } = await openRemote();
  hub.fail({ path: "/large/", ignoresRange: true });
  await expectBytes(file, 250_000, 50_000);
});

test("another range than that which was asked for is refused, and so is another file", async () => {
  const { hub, file } = await openRemote();
  hub.fail({ path: "/large/", shiftsRange: 7 });
  await expect(file.read(250_000, 1000)).rejects.toThrow(
    "org/model: model.safetensors: comes without the bytes from 250000 on",
  );
  const [commit] = [...hub.store.find("model", "org/model")!.commits.values()].slice(-1);
  const stored = commit!.files.get(path)!;
  (commit!.files as Map<string, unknown>).set(path, { ...stored, lfs: "0".repeat(64) });
  hub.store.large.set("0".repeat(64), weights);
  await expect(file.read(250_000, 1000)).rejects.toThrow(/is offered as 0+, the hub lists [0-9a-f]+/);
});

test("what is in the cache is read there, and offline what is not is an error", async () => {
  const { hub, client, repo, repoOf } = await openRemote();
  const offline = await repoOf(client({ offline: true, token: "hf_reader" })).catch((error: Error) => error);
  expect(String(offline)).toMatch(/not in the cache/);
  await repo.get([path]);
  hub.requests.length = 0;
  for (const found of [repo, await repoOf(client({ offline: true }))]) {
    const here = await found.open(path);
    await expectBytes(here, 5, 10);
    await here.close();
  }
  expect(hub.requests).toEqual([]);
  await expect(repo.open("none")).rejects.toThrow("org/model: has no file none");
});

test("offline a file that the hub has listed and the cache has not is an error that says so", async () => {
  const { hub, client } = await openHub();
  await hub.add("model", "org/model", { [path]: weights, "config.json": "{}" });
  const repoOf = (who: HubClient) => openRepository("model", { name: "org/model" }, who);
  await (await repoOf(client())).get(["config.json"]);
  await expect((await repoOf(client({ offline: true }))).open(path)).rejects.toThrow(
    /^org\/model: model.safetensors: is not in the cache .*HF_HUB_OFFLINE is set; unset it/,
  );
});
