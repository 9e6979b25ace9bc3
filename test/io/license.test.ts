import { rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { licenseOfCard, licenseOfFolder, licenseOfGguf } from "../../src/io/license.js";
import { temporaryFolder } from "../models/fixture.js";

test("a license is what a card's header names", () => {
  expect(licenseOfCard("---\nlicense: Apache-2.0\n---\n")).toEqual({ id: "apache-2.0" });
  expect(licenseOfCard("---\nlicense: [mit, gemma]\n---\n")).toEqual({ id: "mit" });
  expect(licenseOfCard("---\nlicense: other\nlicense_name: my-own\nlicense_link: LICENSE\n---\n")).toEqual({
    id: "other",
    name: "my-own",
    link: "LICENSE",
  });
  expect(licenseOfCard("---\ntags: [mit]\n---\nLicense: MIT\n")).toBeUndefined();
  expect(licenseOfCard("---\nlicense: {a: 1}\n---\n")).toBeUndefined();
});

test("a GGUF file's metadata may name one", () => {
  expect(licenseOfGguf(new Map([["general.license", "gemma"]]))).toEqual({ id: "gemma" });
  const own = { "general.license.name": "My License", "general.license.link": "https://example.org/l" };
  expect(licenseOfGguf(new Map(Object.entries(own)))).toEqual({
    id: "other",
    name: "My License",
    link: "https://example.org/l",
  });
  expect(licenseOfGguf(new Map([["general.license", 3]]))).toBeUndefined();
});

test("a folder's is that of its README, or else of its config, or not known", async () => {
  const folder = await temporaryFolder();
  expect(await licenseOfFolder(folder, {})).toBeUndefined();
  expect(await licenseOfFolder(folder, { license: "mit" })).toEqual({ id: "mit" });
  await writeFile(join(folder, "README.md"), Buffer.from([0xff, 0xfe, 0x00]));
  expect(await licenseOfFolder(folder, { license: "mit" })).toEqual({ id: "mit" });
  await writeFile(join(folder, "README.md"), "---\nlicense: gemma\n---\n");
  expect(await licenseOfFolder(folder, { license: "mit" })).toEqual({ id: "gemma" });
  const elsewhere = join(await temporaryFolder(), "README.md");
  await writeFile(elsewhere, "---\nlicense: gemma\n---\n");
  await rm(join(folder, "README.md"));
  await symlink(elsewhere, join(folder, "README.md"));
  expect(await licenseOfFolder(folder, { license: "mit" })).toEqual({ id: "mit" });
});
