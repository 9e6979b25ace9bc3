import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { apiMap, apiMapMarkdown } from "../../scripts/api-map/markdown.js";
import { pythonNames } from "../../scripts/api-map/python-names.js";
import * as api from "../../src/index.js";

const root = new URL("../../", import.meta.url);
const read = (path: string) => readFile(fileURLToPath(new URL(path, root)), "utf8");
const words = (text: string) => new Set(text.match(/\w+/g));
const exports: Readonly<Record<string, unknown>> = api;

/** A function, class or other member that src/index.ts exports, by its name; undefined when there is none. */
function find(name: string): unknown {
  const [outer, member] = name.split(".") as [string, string?];
  const found = exports[outer];
  if (member === undefined || typeof found !== "function") return found;
  for (const owner of [found.prototype, found]) {
    const property = Object.getOwnPropertyDescriptor(owner, member);
    if (property) return property.value ?? property.get;
  }
  // A field of the instances.
  return new RegExp(`^\\s*${member}\\b`, "m").exec(String(found))?.[0];
}

/** What stands between the name of a function, or `constructor`, and its body. */
const signature = (found: unknown): string =>
  /(?:^(?!class)|constructor)[\s\S]*?\)\s*(?:=>|\{)/.exec(String(found))?.[0] ?? "";

/** A test file, with the files beside it that it imports. */
async function withHelpers(path: string): Promise<string> {
  const text = await read(path);
  const helpers = [...text.matchAll(/from "\.\/(.*)\.js"/g)].map(([, name]) =>
    path.replace(/[^/]*$/, `${name}.ts`),
  );
  return [text, ...(await Promise.all(helpers.map(read)))].join("\n");
}

describe("the map of names", () => {
  test("has every name of the Python package, with every argument", () => {
    expect(Object.keys(apiMap).sort()).toEqual(Object.keys(pythonNames).sort());
    for (const [name, args] of Object.entries(pythonNames)) {
      expect(Object.keys(apiMap[name]!.arguments ?? {}).sort(), name).toEqual([...args].sort());
    }
  });

  test.each(Object.entries(apiMap))("%s is exported, and its test is about it", async (_, entry) => {
    const found = find(entry.ours);
    expect(found).toBeDefined();
    for (const counterpart of Object.values(entry.arguments ?? {})) {
      if (typeof counterpart === "string") continue;
      if ("parameter" in counterpart) expect(words(signature(found))).toContain(counterpart.parameter);
      if ("ours" in counterpart) expect(find(counterpart.ours)).toBeDefined();
    }
    expect(words(await withHelpers(entry.test))).toContain(entry.ours.split(".").at(-1));
  });

  test("is written to docs/api-map.md", async () => {
    expect(await read("docs/api-map.md")).toBe(apiMapMarkdown());
  });
});
