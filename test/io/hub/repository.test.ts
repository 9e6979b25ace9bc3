import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { lstat, mkdir, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test, vi } from "vitest";
import { InputError } from "../../../src/errors.js";
import type { HubClient } from "../../../src/io/hub/client.js";
import { openRepository } from "../../../src/io/hub/repository.js";
import { Random } from "../../../src/random.js";
import { sha256 } from "./hub-store.js";
import { openHub } from "./use-hub.js";

const disk = vi.hoisted(() => ({
  /** The code of the error that each link is answered with. */
  linkError: undefined as string | undefined,
  /** What the system says of its room, in bytes. */
  free: undefined as number | undefined,
  /** Bytes after which it is full. */
  room: undefined as number | undefined,
}));

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof import("node:fs/promises")>();
  const symlink: typeof real.symlink = (...args) => {
    if (!disk.linkError) return real.symlink(...args);
    throw Object.assign(new Error("no links here"), { code: disk.linkError });
  };
  const open: typeof real.open = async (...args) => {
    const handle = await real.open(...args);
    const write = handle.write.bind(handle) as (...args: unknown[]) => ReturnType<typeof handle.write>;
    const limited = async (bytes: Uint8Array, offset: number, length: number, position: number) => {
      if (disk.room === undefined) return write(bytes, offset, length, position);
      if (disk.room === 0) throw Object.assign(new Error("no room"), { code: "ENOSPC" });
      const part = Math.min(length, disk.room);
      disk.room -= part;
      return write(bytes, offset, part, position);
    };
    return Object.assign(handle, { write: limited });
  };
  const statfs = async (path: string) => {
    const found = await real.statfs(path);
    return disk.free === undefined ? found : { ...found, bsize: 1, bavail: disk.free };
  };
  return { ...real, open, symlink, statfs };
});

beforeEach(() => {
  disk.linkError = disk.free = disk.room = undefined;
});

/** Bytes that no range repeats. */
function noise(length: number, seed = 0): Uint8Array {
  const random = Random.for(seed, "noise");
  return Uint8Array.from({ length }, () => random.below(256));
}

const weights = noise(300_000);
const files = { "config.json": '{"a": 1}', "sub/model.safetensors": weights };
const open = (client: HubClient, revision?: string) =>
  openRepository("model", { name: "org/model", revision }, client);
const gitBlob = (text: string) => createHash("sha1").update(`blob ${text.length}\0${text}`).digest("hex");

test("files land in the layout of huggingface_hub: contents once, relative links, the branch's commit", async () => {
  const { hub, client, cache } = await openHub();
  const commit = await hub.add("model", "org/model", { ...files, "copy.safetensors": weights });
  const told = client();
  const repo = await open(told);
  expect([...repo.files.keys()].sort()).toEqual(["config.json", "copy.safetensors", "sub/model.safetensors"]);
  const folder = await repo.get([...repo.files.keys()]);

  const root = join(cache, "models--org--model");
  expect(folder).toBe(join(root, "snapshots", commit));
  expect(await readFile(join(root, "refs/main"), "utf8")).toBe(commit);
  expect((await readdir(join(root, "blobs"))).sort()).toEqual([gitBlob('{"a": 1}'), sha256(weights)].sort());
  expect(await readlink(join(folder, "config.json"))).toBe(`../../blobs/${gitBlob('{"a": 1}')}`);
  expect(await readlink(join(folder, "sub/model.safetensors"))).toBe(`../../../blobs/${sha256(weights)}`);
  expect(new Uint8Array(await readFile(join(folder, "copy.safetensors")))).toEqual(weights);
  expect(await readdir(join(cache, ".locks/models--org--model"))).toEqual([]);

  const last = told.told.at(-1)!;
  expect(last).toEqual({ direction: "download", name: "org/model", done: 300_008, total: 300_008 });
});

test("what is in the cache is not asked for again, and a file that was cut short is", async () => {
  const { hub, client } = await openHub();
  await hub.add("model", "org/model", files);
  const folder = await (await open(client())).get(Object.keys(files));
  hub.requests.length = 0;
  const again = await open(client());
  expect(await again.get(Object.keys(files))).toBe(folder);
  expect(hub.requests).toEqual([]);

  await writeFile(join(folder, "sub/model.safetensors"), weights.subarray(0, 1000));
  await again.get(Object.keys(files));
  expect(new Uint8Array(await readFile(join(folder, "sub/model.safetensors")))).toEqual(weights);
});

test.each([
  ["no JSON", "{"],
  ["an array", "[]"],
  ["no object", "null"],
  ["a path that leads out", '{"../x": {}}'],
  ["a file that is none", '{"a": null}'],
  ["too deep", `{"a": ${"[".repeat(1000)}${"]".repeat(1000)}}`],
])("a commit's list of files in the cache that is damaged is asked for again: %s", async (_, content) => {
  const { hub, client, cache } = await openHub();
  const commit = await hub.add("model", "org/model", files);
  await open(client());
  const tree = join(cache, "models--org--model/trees", `${commit}.json`);
  const written = await readFile(tree, "utf8");
  await writeFile(tree, content);
  // By another name: what a process has found, it remembers.
  expect([...(await open(client(), commit)).files.keys()].sort()).toEqual(Object.keys(files).sort());
  expect(await readFile(tree, "utf8")).toBe(written);
});

test("where links are impossible, files are copies", async () => {
  disk.linkError = "EPERM";
  const { hub, client } = await openHub();
  await hub.add("model", "org/model", files);
  const folder = await (await open(client())).get(Object.keys(files));
  expect((await lstat(join(folder, "sub/model.safetensors"))).isSymbolicLink()).toBe(false);
  expect(new Uint8Array(await readFile(join(folder, "sub/model.safetensors")))).toEqual(weights);
  const offline = await openRepository("model", { name: "org/model" }, client({ offline: true }));
  expect(await offline.get(Object.keys(files))).toBe(folder);
});

test("a disk without room for a file is told before anything is downloaded", async () => {
  disk.free = 299_999;
  const { hub, client, cache } = await openHub();
  await hub.add("model", "org/model", files);
  await expect((await open(client())).get(["sub/model.safetensors"])).rejects.toThrow(
    `${cache}: has room for 299999 bytes, org/model needs 300000 more; make room, or set HF_HOME elsewhere`,
  );
  expect(hub.requests.filter(({ path }) => path.includes("/resolve/"))).toEqual([]);
  disk.free = 300_000;
  await (await open(client())).get(["sub/model.safetensors"]);
});

test("a cache that cannot be written is told with what to do", async () => {
  const { hub, client, cache } = await openHub();
  await hub.add("model", "org/model", files);
  const taken = `${cache}-taken`;
  await writeFile(taken, "");
  await expect(open(client({ cache: `${taken}/hub` }))).rejects.toThrow(
    `the cache ${taken}/hub: cannot be written: a file is in the place of its folder; check the path`,
  );
});

test("what an earlier try left needs no room again", async () => {
  const { hub, client, cache } = await openHub();
  await hub.add("model", "org/model", files);
  const blobs = join(cache, "models--org--model/blobs");
  await mkdir(blobs, { recursive: true });
  await writeFile(join(blobs, `${sha256(weights)}.tptt.incomplete`), weights.subarray(0, 123_456));
  disk.free = 176_543;
  const repo = await open(client());
  await expect(repo.get(["sub/model.safetensors"])).rejects.toThrow("org/model needs 176544 more");
  disk.free = 176_544;
  await repo.get(["sub/model.safetensors"]);
});

test("a disk that fills up is told with its room and what to do; what came stays, and the next call goes on", async () => {
  const { hub, client, cache } = await openHub();
  await hub.add("model", "org/model", files);
  const repo = await open(client());
  disk.room = 120_000;
  const full = repo.get(["sub/model.safetensors"]);
  await expect(full).rejects.toThrow(InputError);
  await expect(full).rejects.toThrow(
    /^org\/model: sub\/model.safetensors: cannot be written to \/.*hub: its disk is full \(\d+ bytes free\); make room and/,
  );
  const root = join(cache, "models--org--model");
  expect(await readdir(join(root, "blobs"))).toEqual([`${sha256(weights)}.tptt.incomplete`]);
  expect(existsSync(join(root, "snapshots"))).toBe(false);
  disk.room = undefined;
  const folder = await repo.get(["sub/model.safetensors"]);
  expect(hub.requests.at(-1)?.range).toBe("bytes=120000-");
  expect(sha256(await readFile(join(folder, "sub/model.safetensors")))).toBe(sha256(weights));
});

test("a disk without room for a link is told as well, and the content is not downloaded again", async () => {
  const { hub, client } = await openHub();
  await hub.add("model", "org/model", files);
  const repo = await open(client());
  disk.linkError = "ENOSPC";
  await expect(repo.get(["config.json"])).rejects.toThrow(/^org\/model: config.json: .*its disk is full/);
  disk.linkError = undefined;
  hub.requests.length = 0;
  expect(await readFile(join(await repo.get(["config.json"]), "config.json"), "utf8")).toBe('{"a": 1}');
  expect(hub.requests).toEqual([]);
});

test("where a file fails for good, the others are not waited for, and what came of them stays", async () => {
  const { hub, client, cache } = await openHub();
  const other = noise(300_000, 2);
  await hub.add("model", "org/model", { ...files, "other.safetensors": other });
  hub.fail({ path: `/large/${sha256(other)}`, cutAfter: 100_000, silence: 60_000 });
  hub.fail({ path: "/config.json", status: 403 });
  const repo = await open(client());
  const started = Date.now();
  await expect(repo.get(["other.safetensors", "config.json"])).rejects.toThrow(/config.json: is refused/);
  expect(Date.now() - started).toBeLessThan(10_000);
  expect(await readdir(join(cache, ".locks/models--org--model"))).toEqual([]);
  await repo.get(["other.safetensors", "config.json"]);
});

test("a connection that is cut is gone on with from where it was, as often as it takes", async () => {
  const { hub, client } = await openHub();
  await hub.add("model", "org/model", files);
  hub.fail({ path: "/large/", cutAfter: 40_000, times: 7 });
  const folder = await (await open(client())).get(["sub/model.safetensors"]);
  expect(new Uint8Array(await readFile(join(folder, "sub/model.safetensors")))).toEqual(weights);
  const ranges = hub.requests.filter(({ server }) => server === "storage").map(({ range }) => range);
  expect(ranges[0]).toBeUndefined();
  expect(ranges.length).toBe(8);
  // Each goes on after what came: no byte twice.
  const starts = ranges.slice(1).map((range) => Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1]));
  expect(starts).toEqual(starts.toSorted((a, b) => a - b));
  expect(starts.at(-1)).toBeGreaterThan(200_000);
});

test("a connection that falls silent is given up and gone on with", async () => {
  const { hub, client } = await openHub();
  await hub.add("model", "org/model", files);
  hub.fail({ path: "/large/", cutAfter: 100_000, silence: 60_000 });
  const folder = await (await open(client({ stallTimeout: 300 }))).get(["sub/model.safetensors"]);
  expect(new Uint8Array(await readFile(join(folder, "sub/model.safetensors")))).toEqual(weights);
  expect(hub.requests.at(-1)?.range).toMatch(/^bytes=[1-9]\d*-$/);
});

test("what an earlier process left is gone on with", async () => {
  const { hub, client, cache } = await openHub();
  await hub.add("model", "org/model", files);
  const blobs = join(cache, "models--org--model/blobs");
  await mkdir(blobs, { recursive: true });
  await writeFile(join(blobs, `${sha256(weights)}.tptt.incomplete`), weights.subarray(0, 123_456));
  const told = client();
  const folder = await (await open(told)).get(["sub/model.safetensors"]);
  expect(new Uint8Array(await readFile(join(folder, "sub/model.safetensors")))).toEqual(weights);
  expect(hub.requests.at(-1)?.range).toBe("bytes=123456-");
  expect(told.told.at(-1)).toMatchObject({ done: 300_000, total: 300_000 });
  expect(await readdir(blobs)).toEqual([sha256(weights)]);
});

test("a download that fails for good leaves what came, and the next call goes on with it", async () => {
  const { hub, client, cache } = await openHub();
  await hub.add("model", "org/model", files);
  hub.fail({ path: "/large/", cutAfter: 100_000 });
  hub.fail({ path: "/large/", cutAfter: 0, times: 5 });
  const repo = await open(client());
  await expect(repo.get(["sub/model.safetensors"])).rejects.toThrow(
    /^org\/model: sub\/model.safetensors: http:.* cannot be reached \(.*\); check the network and HF_ENDPOINT$/,
  );
  const [left] = await readdir(join(cache, "models--org--model/blobs"));
  expect(left).toBe(`${sha256(weights)}.tptt.incomplete`);
  expect(existsSync(join(cache, "models--org--model/snapshots"))).toBe(false);
  hub.requests.length = 0;
  await repo.get(["sub/model.safetensors"]);
  expect(hub.requests.at(-1)?.range).toMatch(/^bytes=[1-9]\d*-$/);
});

test("what an earlier try left damaged is thrown away, and all of it comes again", async () => {
  const { hub, client, cache } = await openHub();
  await hub.add("model", "org/model", files);
  const blobs = join(cache, "models--org--model/blobs");
  await mkdir(blobs, { recursive: true });
  await writeFile(join(blobs, `${sha256(weights)}.tptt.incomplete`), noise(1000, 1));
  const folder = await (await open(client())).get(["sub/model.safetensors"]);
  expect(new Uint8Array(await readFile(join(folder, "sub/model.safetensors")))).toEqual(weights);
});

test.each(["sub/model.safetensors", "config.json"])(
  "%s that comes with another hash comes once more, and is refused the second time",
  async (path) => {
    const { hub, client, cache } = await openHub();
    await hub.add("model", "org/model", files);
    const at = path === "config.json" ? "/resolve-cache/" : "/large/";
    hub.fail({ path: at, corrupt: true });
    const first = await (await open(client())).get([path]);
    expect(new Uint8Array(await readFile(join(first, path)))).toEqual(
      new Uint8Array(Buffer.from(files[path as keyof typeof files])),
    );
    await rm(cache, { recursive: true });
    hub.fail({ path: at, corrupt: true, times: 2 });
    await expect((await open(client())).get([path])).rejects.toThrow(
      /^org\/model: .*: came with hash [0-9a-f]+, the hub names [0-9a-f]+; what serves http/,
    );
    expect(await readdir(join(cache, "models--org--model/blobs"))).toEqual([]);
  },
);

test("a file that is offered under another hash or size is refused before it is read", async () => {
  const { hub, client, cache } = await openHub();
  const commit = await hub.add("model", "org/model", files);
  const repo = await open(client());
  const stored = hub.store.find("model", "org/model")!.commits.get(commit)!;
  (stored.files as Map<string, unknown>).set("config.json", {
    bytes: Buffer.from('{"a": 2}'),
    oid: gitBlob('{"a": 2}'),
  });
  await expect(repo.get(["config.json"])).rejects.toThrow(/is offered as [0-9a-f]+, the hub lists [0-9a-f]+/);
  (stored.files as Map<string, unknown>).set("config.json", {
    bytes: Buffer.from('{"a": 22}'),
    oid: gitBlob('{"a": 1}'),
  });
  await expect(repo.get(["config.json"])).rejects.toThrow(/is offered with 9 bytes, the hub lists 8/);
  expect(await readdir(join(cache, "models--org--model/blobs"))).toEqual([]);
});

test("the token goes to the hub and to nobody else", async () => {
  const { hub, client } = await openHub();
  await hub.add("model", "org/model", files, { gated: true });
  await (await open(client({ token: "hf_member" }))).get(Object.keys(files));
  const sent = (server: string) =>
    new Set(hub.requests.filter((r) => r.server === server).map(({ authorization }) => authorization));
  expect(sent("hub")).toEqual(new Set(["Bearer hf_member"]));
  expect(sent("storage")).toEqual(new Set([undefined]));
});

test.each([429, 500, 503])("an answer %i is asked for again, five times at most", async (status) => {
  const { hub, client } = await openHub();
  await hub.add("model", "org/model", files);
  const headers = { "retry-after": "0" };
  hub.fail({ path: "/revision/", status, headers, times: 2 });
  hub.fail({ path: "/tree/", status, headers, times: 2 });
  hub.fail({ path: "/resolve/", status, headers, times: 4 });
  const repo = await open(client());
  await repo.get(["config.json"]);
  hub.fail({ path: "/resolve/", status, headers, times: 5 });
  await expect(repo.get(["sub/model.safetensors"])).rejects.toThrow(status === 429 ? /429/ : `(${status})`);
});

test("a wait that the hub asks for is kept, and one of hours is an error", async () => {
  const { hub, client } = await openHub();
  await hub.add("model", "org/model", files);
  hub.fail({ path: "/revision/", status: 429, headers: { "retry-after": "1" } });
  const start = Date.now();
  await open(client());
  expect(Date.now() - start).toBeGreaterThan(900);
  hub.fail({ path: "/resolve/", status: 429, headers: { "retry-after": "7200" } });
  await expect((await open(client())).get(["config.json"])).rejects.toThrow(
    /too many requests \(429\); wait/,
  );
});

test("a listing of several pages is read whole", async () => {
  const { hub, client } = await openHub({ pageSize: 3 });
  const many = Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`f${i}.json`, `{"i": ${i}}`]));
  await hub.add("model", "org/model", many);
  expect((await open(client())).files.size).toBe(11);
});

test("offline the cache answers, and what is not in it is an error that says so", async () => {
  const { hub, client } = await openHub();
  const commit = await hub.add("model", "org/model", files);
  const offline = { offline: true };
  await expect(open(client(offline))).rejects.toThrow(
    /^org\/model: is no file or folder here, and not in the cache .*, and HF_HUB_OFFLINE is set; unset it/,
  );
  const folder = await (await open(client())).get(["config.json"]);
  hub.requests.length = 0;
  for (const revision of [undefined, "main", commit]) {
    const repo = await open(client(offline), revision);
    expect(await repo.get(["config.json"])).toBe(folder);
    // The hub has listed it before: that it is missing is known, though it was never here.
    await expect(repo.get(["sub/model.safetensors"])).rejects.toThrow(
      /model.safetensors: is .*not in the cache/,
    );
  }
  await expect(open(client(offline), "v2")).rejects.toThrow(/^org\/model@v2: .*not in the cache/);
  expect(hub.requests).toEqual([]);
});

test("a hub that is away is told, and the cache answers; without one it is an error", async () => {
  const { hub, client } = await openHub();
  await hub.add("model", "org/model", files);
  const folder = await (await open(client())).get(["config.json"]);
  await hub.close();
  const away = client({ token: "hf_other" });
  expect(await (await open(away)).get(["config.json"])).toBe(folder);
  expect(away.notes.join()).toMatch(/cannot be reached .* going on with what is in the cache/);
  await expect(openRepository("model", { name: "org/other" }, client())).rejects.toThrow(
    /^org\/other: is no file or folder here, and http:.* cannot be reached .*ECONNREFUSED/,
  );
});

test("a branch that has moved gives the new files, and the old commit stays by its name", async () => {
  const { hub, client, settings } = await openHub();
  const first = await hub.add("model", "org/model", files);
  await (await open(client())).get(["config.json"]);
  const second = await hub.store.commit("model", "org/model", { "config.json": '{"b": 2}' });
  // Another account: what this process knows of the branch is a minute old at most.
  const now = await open(client({ token: "hf_reader" }));
  expect(now.commit).toBe(second);
  expect(await readFile(join(await now.get(["config.json"]), "config.json"), "utf8")).toBe('{"b": 2}');
  expect(await readFile(join(settings.cache, "models--org--model/refs/main"), "utf8")).toBe(second);
  const old = await open(client(), first);
  expect(await readFile(join(await old.get(["config.json"]), "config.json"), "utf8")).toBe('{"a": 1}');
});

test("tags and refs are revisions", async () => {
  const { hub, client, cache } = await openHub();
  const commit = await hub.add("model", "org/model", files);
  hub.store.find("model", "org/model")!.refs.set("refs/pr/1", commit).set("v1.0", commit);
  for (const revision of ["refs/pr/1", "v1.0"]) {
    const repo = await open(client(), revision);
    expect(repo.commit).toBe(commit);
    await repo.get(["config.json"]);
    expect(await readFile(join(cache, "models--org--model/refs", revision), "utf8")).toBe(commit);
  }
});

test.each([
  ["missing", undefined, {}, /^org\/missing: is no file or folder here, and no model on http.*set HF_TOKEN/],
  ["missing", "hf_reader", {}, /^org\/missing: .*check that the account of the token in HF_TOKEN has access/],
  ["private", undefined, { private: true }, /^org\/private: .* if it is private or gated, set HF_TOKEN/],
  ["gated", undefined, { gated: true }, /is gated; ask for access at http.*org\/gated, then set HF_TOKEN/],
  ["gated", "hf_reader", { gated: true }, /is gated, and the token's account has no access to it; ask/],
  ["open", "hf_wrong", {}, /^org\/open: the hub does not know the token in HF_TOKEN; make a token at http/],
])("a repository that is %s (token %s) is told with what to do", async (name, token, options, message) => {
  const { hub, client } = await openHub();
  if (name !== "missing") await hub.add("model", `org/${name}`, files, options);
  const trying = openRepository("model", { name: `org/${name}` }, client({ token })).then((repo) =>
    repo.get(["config.json"]),
  );
  await expect(trying).rejects.toThrow(message);
  await expect(trying).rejects.not.toThrow(/hf_(reader|wrong)/);
});

test("a revision and a file that are not there are told apart from the repository", async () => {
  const { hub, client } = await openHub();
  const commit = await hub.add("model", "org/model", files);
  await expect(open(client(), "v9")).rejects.toThrow(
    /^org\/model@v9: has no revision v9; see http.*tree\/main/,
  );
  const repo = await open(client());
  (hub.store.find("model", "org/model")!.commits.get(commit)!.files as Map<string, unknown>).delete(
    "config.json",
  );
  await expect(repo.get(["config.json"])).rejects.toThrow(/^org\/model: config.json: has no such file; see/);
});

test.each(["../out.json", "a/../../out.json", "/etc/out.json", "a\\..\\out.json", "c:out.json"])(
  "a listing with the path %s is refused",
  async (path) => {
    const { hub, client } = await openHub();
    await hub.add("model", "org/model", { [path]: "{}" });
    await expect(open(client())).rejects.toThrow(/which is no path inside of it/);
  },
);

test("two that want a file at once download it once", async () => {
  const { hub, client } = await openHub();
  await hub.add("model", "org/model", files);
  const both = await Promise.all(
    ["hf_reader", "hf_member"].map(async (token) => (await open(client({ token }))).get(Object.keys(files))),
  );
  expect(both[0]).toBe(both[1]);
  expect(hub.requests.filter(({ server }) => server === "storage").length).toBe(1);
});
