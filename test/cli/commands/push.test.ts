import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { TpttModel } from "../../../src/tptt/tptt-model.js";
import { filesIn, openHub } from "../../io/hub/use-hub.js";
import { openWorkspace, tptt } from "../workspace.js";

/** A hub in the environment, and a titan with what a run leaves beside it. */
async function openTitan(token = "hf_writer") {
  const { folder, model: base } = await openWorkspace();
  const testHub = await openHub();
  await testHub.hub.add("model", "org/base", await filesIn(base));
  testHub.useAsEnvironment(token);
  const titan = join(folder, "titan");
  const model = await TpttModel.fromPretrained("org/base", { loraConfig: { r: 2 } });
  await model.savePretrained(titan);
  await model.dispose();
  const files = (name: string) => {
    const { refs, commits } = testHub.hub.store.find("model", name)!;
    return commits.get(refs.get("main")!)!.files;
  };
  return { ...testHub, folder, titan, files };
}

const ofTitan = [
  "README.md",
  "adapter_model.safetensors",
  "config.json",
  "tokenizer.json",
  "tokenizer_config.json",
];

test("a titan's folder is uploaded with its card, and opened by its name elsewhere", async () => {
  const { titan, files } = await openTitan();
  const pushed = await tptt(["push", titan, "org/titan", "--json"]);
  expect(pushed).toMatchObject({ code: 0, stderr: "" });
  expect(pushed.events().at(-1)).toMatchObject({
    event: "done",
    url: expect.stringMatching(/^http.*\/org\/titan$/),
    commit: expect.stringMatching(/^[0-9a-f]{40}$/),
    files: ofTitan.length,
  });
  expect(
    pushed
      .events()
      .filter(({ event }) => event === "transfer")
      .at(-1),
  ).toMatchObject({ name: "upload org/titan" });
  expect([...files("org/titan").keys()].sort()).toEqual(ofTitan);
  for (const [path, { bytes, lfs }] of files("org/titan")) {
    expect(new Uint8Array(bytes)).toEqual(new Uint8Array(await readFile(join(titan, path))));
    expect(lfs !== undefined).toBe(path.endsWith(".safetensors"));
  }
  const texts = [titan, "org/titan"].map(async (model) => {
    const { code, stdout } = await tptt([
      "generate",
      "--model",
      model,
      "--prompt",
      "a",
      "--max-new-tokens",
      "4",
    ]);
    expect(code).toBe(0);
    return stdout;
  });
  expect((await Promise.all(texts))[1]).toBe((await texts[0])!);
});

test("what a run leaves for itself stays here, and links lead nowhere out of the folder", async () => {
  const { folder, titan, files } = await openTitan();
  await mkdir(join(titan, "checkpoint-10"));
  await mkdir(join(titan, "runs"));
  const secret = join(folder, "secret.txt");
  await writeFile(secret, "secret");
  const unwanted = [
    "checkpoint-10/optimizer.safetensors",
    "optimizer.safetensors",
    "trainer_state.json",
    "train.yaml",
    ".lock",
    ".config.json.abc.tmp",
    "x.lock",
  ];
  for (const name of [...unwanted, "metrics.jsonl", "runs/events.out.tfevents.1"])
    await writeFile(join(titan, name), "x");
  await symlink(secret, join(titan, "notes.txt"));
  await symlink(folder, join(titan, "up"));
  await symlink(titan, join(titan, "circle"));
  await symlink("README.md", join(titan, "CARD.md"));
  const { code, stderr } = await tptt(["push", titan, "org/titan"]);
  expect(code).toBe(0);
  expect([...files("org/titan").keys()].sort()).toEqual(
    [...ofTitan, "CARD.md", "metrics.jsonl", "runs/events.out.tfevents.1"].sort(),
  );
  expect(stderr).toMatch(/^left out: .*notes.txt is a link that leads out of the folder$/m);
  expect(stderr).toMatch(/^left out: .*up is a link that leads out of the folder$/m);
  expect(stderr).toMatch(/^upload org\/titan [\d.]+\/[\d.]+ kB$/m);
});

test("a repository that is there gets another commit, and what is in storage is not sent again", async () => {
  const { hub, titan, files } = await openTitan();
  expect(await tptt(["push", titan, "org/titan"])).toMatchObject({ code: 0 });
  await writeFile(join(titan, "README.md"), "# Better");
  hub.requests.length = 0;
  expect(await tptt(["push", titan, "org/titan"])).toMatchObject({ code: 0 });
  expect(Buffer.from(files("org/titan").get("README.md")!.bytes).toString()).toBe("# Better");
  expect(hub.requests.filter(({ method }) => method === "PUT")).toEqual([]);
});

test("--private makes a private repository, and refuses one that is public", async () => {
  const { hub, titan } = await openTitan();
  expect(await tptt(["push", titan, "writer/titan", "--private"])).toMatchObject({ code: 0 });
  expect(hub.store.find("model", "writer/titan")?.private).toBe(true);
  expect(await tptt(["push", titan, "org/base", "--private"])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^tptt: org\/base: is public on http.*; make it private in its settings/m),
  });
  expect(hub.store.find("model", "org/base")!.commits.size).toBe(2);
});

test("an upload that fails in passing is tried again; one that the hub refuses changes nothing", async () => {
  const { hub, titan, files } = await openTitan();
  const headers = { "retry-after": "0" };
  hub.fail({ path: "/preupload/", status: 500, headers });
  hub.fail({ path: "/large/", method: "PUT", status: 503, headers, times: 2 });
  hub.fail({ path: "/commit/", status: 429, headers });
  expect(await tptt(["push", titan, "org/titan"])).toMatchObject({ code: 0 });
  expect([...files("org/titan").keys()].sort()).toEqual(ofTitan);
  hub.fail({ path: "/commit/", status: 403 });
  await writeFile(join(titan, "README.md"), "# Other");
  expect(await tptt(["push", titan, "org/titan"])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/org\/titan: is refused: the token in HF_TOKEN may not write there/),
  });
  expect(Buffer.from(files("org/titan").get("README.md")!.bytes).toString()).not.toBe("# Other");
});

test.each([
  ["", /there is no token; make one that may write at http.*set HF_TOKEN to it/],
  [
    "hf_reader",
    /org\/titan: is refused: the token in HF_TOKEN may not write there; make a token that may write/,
  ],
  ["hf_wrong", /org\/titan: the hub does not know the token in HF_TOKEN; make a token that may write/],
])("with the token %j a push is refused", async (token, message) => {
  const { titan } = await openTitan(token === "hf_wrong" ? "" : token);
  if (token === "hf_wrong") process.env.HF_TOKEN = token;
  const { code, stderr } = await tptt(["push", titan, "org/titan"]);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
  expect(stderr).not.toMatch(/hf_(reader|wrong)/);
});

test("only a model's folder is uploaded, and only to org/name", async () => {
  const { hub, folder, titan } = await openTitan();
  const empty = join(folder, "empty");
  await mkdir(empty);
  hub.requests.length = 0;
  for (const [args, message] of [
    [[empty, "org/titan"], /holds no model: neither config.json nor adapter_config.json; give/],
    [[join(folder, "none"), "org/titan"], /none: does not exist/],
    [[join(titan, "README.md"), "org/titan"], /is a file, expected the folder of a model/],
    [[titan, "titan"], /^tptt: --repo: is titan, expected org\/name/],
    [[titan, "org/titan@v1"], /^tptt: --repo: is org\/titan@v1, expected org\/name/],
    [[titan], /^tptt: --repo: is missing; give its name on the hub/],
    [[titan, "org/titan", "more"], /^tptt: too many arguments/],
  ] as const) {
    expect(await tptt(["push", ...args])).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
  }
  expect(hub.requests).toEqual([]);
});

test("a result that names a path of this machine is told of", async () => {
  const { titan, folder } = await openTitan();
  const text = join(folder, "text.txt");
  await writeFile(text, "once upon a time there was a king. ".repeat(4));
  for (const [data, task] of [
    [text, "perplexity"],
    ["README.md", "memory"],
  ] as const) {
    const command = ["eval", "--model", "org/base", "--task", task, "--data", data, "--max-length", "64"];
    const out = join(titan, `eval-${task}.json`);
    expect(await tptt([...command, "--samples", "1", "--out", titan])).toMatchObject({ code: 0 });
    if (task === "memory") {
      const result = await readFile(out, "utf8");
      await writeFile(out, result.replaceAll(folder, "."));
    }
  }
  const { code, stderr } = await tptt(["push", titan, "org/titan", "--json"]);
  const place = join(titan, "eval-perplexity.json");
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: `${place}: names ${text}, a path of this machine, for all to see\n`,
  });
});

test("a base model on this machine is told of, for others do not have it", async () => {
  const { folder } = await openTitan();
  const model = await TpttModel.fromPretrained(join(folder, "base"), { loraConfig: { r: 2 } });
  const titan = join(folder, "local");
  await model.savePretrained(titan);
  await model.dispose();
  const { code, stderr } = await tptt(["push", titan, "org/local"]);
  expect(code).toBe(0);
  expect(stderr).toMatch(
    /its base model is \/.*base, a path of this machine: others can open it after changing/,
  );
});
