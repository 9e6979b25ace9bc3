import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { uploadFiles } from "../../../src/io/hub/upload.js";
import { Random } from "../../../src/random.js";
import { temporaryFolder } from "../../models/fixture.js";
import { sha256 } from "./hub-store.js";
import type { Transfer } from "./large-storage.js";
import { openHub } from "./use-hub.js";

const random = Random.for(0, "noise");
/** Zeros, which are packed on the way, and bytes that no part repeats. */
const weights = Uint8Array.from({ length: 350_001 }, (_, i) => (i < 150_000 ? 0 : random.below(256)));
const files = { "config.json": new TextEncoder().encode("{}"), "model.safetensors": weights };
const hashes = (contents: Readonly<Record<string, Uint8Array>>) =>
  Object.fromEntries(Object.entries(contents).map(([path, bytes]) => [path, sha256(bytes)]));

/** A hub that takes large files in a way, and a folder to upload. */
async function openUpload(transfer: Transfer) {
  const { hub, client } = await openHub({ transfer });
  const folder = await temporaryFolder();
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  const uploads = Object.keys(files).map((path) => ({ path, file: join(folder, path) }));
  const told = client({ token: "hf_writer" });
  return {
    hub,
    told,
    push: () => uploadFiles("org/model", uploads, { title: "Upload", private: false }, told),
    /** The hashes of what the repository has now. */
    contents() {
      const { refs, commits } = hub.store.find("model", "org/model")!;
      const stored = commits.get(refs.get("main")!)!.files;
      return hashes(Object.fromEntries([...stored].map(([path, { bytes }]) => [path, bytes])));
    },
  };
}

test.each(["basic", "multipart", "xet"] as const)("%s: what arrives is what was sent", async (transfer) => {
  const { told, push, contents, hub } = await openUpload(transfer);
  await push();
  expect(contents()).toEqual(hashes(files));
  expect(told.told.at(-1)).toMatchObject({ done: weights.length + 2, total: weights.length + 2 });
  const asked = (part: string) => hub.requests.filter(({ path }) => path.startsWith(part)).length;
  expect([asked("/large/"), asked("/parts/"), asked("/cas/v1/xorbs/")]).toEqual(
    { basic: [1, 0, 0], multipart: [0, 6, 0], xet: [0, 0, 1] }[transfer],
  );
});

const transfers = [
  ["basic", "/large/"],
  ["multipart", `/parts/${sha256(weights)}/2`],
  ["multipart", "/complete-multipart/"],
  ["xet", "/xet-write-token/"],
  ["xet", "/cas/v1/chunks/"],
  ["xet", "/cas/v1/xorbs/"],
  ["xet", "/cas/v1/shards"],
] as const;
const steps = ["/api/models/", "/api/repos/create", "/preupload/", "/objects/batch", "/commit/"];
const everyStep = [...transfers, ...steps.map((step) => ["basic", step] as const)];

test.each(everyStep)("%s %s: what fails in passing is tried again", async (transfer, path) => {
  const { hub, push, contents } = await openUpload(transfer);
  hub.fail({ path, status: 429, headers: { "retry-after": "0" } });
  hub.fail({ path, status: 503 });
  hub.fail({ path, cutBody: 1000 });
  await push();
  expect(contents()).toEqual(hashes(files));
  expect(hub.requests.filter((request) => request.path.includes(path)).length).toBeGreaterThan(3);
});

test.each(everyStep)(
  "%s %s: an answer that is lost on the way is asked for again",
  async (transfer, path) => {
    const { hub, push, contents } = await openUpload(transfer);
    hub.fail({ path, losesAnswer: true });
    await push();
    expect(contents()).toEqual(hashes(files));
  },
);

test.each(everyStep)(
  "%s %s: what fails for good changes nothing, and the next push does it",
  async (transfer, path) => {
    const { hub, push, contents } = await openUpload(transfer);
    hub.fail({ path, status: 500, times: 5 });
    await expect(push()).rejects.toThrow(
      /^org\/model: http.* has an error of its own \(500\); try again later$/,
    );
    await push();
    expect(contents()).toEqual(hashes(files));
  },
);

test("what the storage refuses is no matter of the token", async () => {
  const { hub, push } = await openUpload("basic");
  hub.fail({ path: "/large/", status: 403 });
  await expect(push()).rejects.toThrow(
    /^org\/model: http.*, where http.* has its large files, refuses \(403\); try again: what is there/,
  );
});
