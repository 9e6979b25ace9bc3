import { mkdir, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readHubSettings } from "../../../src/io/hub/settings.js";
import { temporaryFolder } from "../../models/fixture.js";

test("without variables the hub and its cache are where Python's tools have them", async () => {
  const home = await temporaryFolder();
  expect(await readHubSettings({ XDG_CACHE_HOME: home })).toMatchObject({
    endpoint: "https://huggingface.co",
    cache: join(home, "huggingface/hub"),
    token: undefined,
    offline: false,
  });
  expect((await readHubSettings({})).cache).toBe(join(homedir(), ".cache/huggingface/hub"));
});

test("the variables of huggingface_hub are honoured, and an empty one is none", async () => {
  const home = await temporaryFolder();
  const settings = (more: Record<string, string>) => readHubSettings({ HF_HOME: home, ...more });
  expect((await settings({})).cache).toBe(join(home, "hub"));
  expect((await settings({ HF_HUB_CACHE: "/cache", HUGGINGFACE_HUB_CACHE: "/old" })).cache).toBe("/cache");
  expect((await settings({ HUGGINGFACE_HUB_CACHE: "/old" })).cache).toBe("/old");
  expect((await readHubSettings({ HF_HOME: "~/hf" })).cache).toBe(join(homedir(), "hf/hub"));
  expect((await settings({ HF_ENDPOINT: "http://localhost:1234/" })).endpoint).toBe("http://localhost:1234");
  for (const on of ["1", "ON", "yes", "True"])
    expect((await settings({ HF_HUB_OFFLINE: on })).offline).toBe(true);
  for (const off of ["", "0", "no"]) expect((await settings({ HF_HUB_OFFLINE: off })).offline).toBe(false);
  await expect(settings({ HF_ENDPOINT: "hub.local" })).rejects.toThrow(
    /^HF_ENDPOINT: is hub.local, expected an address/,
  );
});

test("the token is that of HF_TOKEN, else that of the file that a login writes", async () => {
  const home = await temporaryFolder();
  const file = join(home, "token");
  await writeFile(file, "hf_file\n");
  expect(await readHubSettings({ HF_HOME: home })).toMatchObject({ token: "hf_file", tokenPlace: file });
  expect(await readHubSettings({ HF_HOME: home, HF_TOKEN: "" })).toMatchObject({ token: "hf_file" });
  expect(await readHubSettings({ HF_HOME: home, HF_TOKEN: " hf_variable " })).toMatchObject({
    token: "hf_variable",
    tokenPlace: "HF_TOKEN",
  });
  await mkdir(join(home, "other"));
  await writeFile(join(home, "other/token"), "hf_other");
  const elsewhere = { HF_HOME: home, HF_TOKEN_PATH: join(home, "other/token") };
  expect(await readHubSettings(elsewhere)).toMatchObject({ token: "hf_other" });
});

test("a token that would break a header is refused, and not shown", async () => {
  const reading = readHubSettings({ HF_TOKEN: "hf_secret\r\nx: y" });
  await expect(reading).rejects.toThrow(/^HF_TOKEN: holds no token/);
  await expect(reading).rejects.not.toThrow(/secret/);
});
