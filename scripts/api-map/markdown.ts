import { configuration } from "./configuration.js";
import type { Entry } from "./entry.js";
import { modeling } from "./modeling.js";
import { training } from "./training.js";

/** Where every name of the Python package is here. */
export const apiMap: Readonly<Record<string, Entry>> = { ...configuration, ...modeling, ...training };

/** docs/api-map.md, whole. */
export function apiMapMarkdown(): string {
  return `# The names of the Python package

Where each class, function and argument of the Python package \`tptt\` (0.12.0, and what 0.12.1 added) is here. Classes
keep their names; functions, methods and options are in camelCase, on disk and in YAML they are in snake_case. What takes
many arguments takes one object with options. Everything is exported from \`tptt\`; the API docs (\`npm run docs\`) say more.

Written by \`npm run docs:api-map\` from \`scripts/api-map\`; a test fails where a name or its test is missing.
${sections().join("")}`;
}

function sections(): string[] {
  const modules = new Map<string, [name: string, entry: Entry][]>();
  for (const [path, entry] of Object.entries(apiMap)) {
    const [module, ...name] = path.split(".") as [string, ...string[]];
    modules.set(module, [...(modules.get(module) ?? []), [name.join("."), entry]]);
  }
  return [...modules].map(
    ([module, entries]) => `
## tptt.${module}

| Python | here | test |
|---|---|---|
${entries.flatMap(([name, entry]) => rows(name, entry)).join("\n")}
`,
  );
}

function rows(name: string, entry: Entry): string[] {
  const file = entry.test.replace("test/", "");
  return [
    `| **\`${name}\`** | ${noted(`**\`${entry.ours}\`**`, entry.note)} | [${file}](../${entry.test}) |`,
    ...Object.entries(entry.arguments ?? {}).map(
      ([argument, counterpart]) => `| \`${argument}\` | ${shown(counterpart)} | |`,
    ),
  ];
}

function shown(counterpart: NonNullable<Entry["arguments"]>[string]): string {
  if (typeof counterpart === "string") return `\`${counterpart}\``;
  if ("none" in counterpart) return `no counterpart: ${counterpart.none}`;
  const { note, ...one } = counterpart;
  return noted(`\`${Object.values(one)[0]}\``, note);
}

const noted = (name: string, note: string | undefined): string =>
  note === undefined ? name : `${name} (${note})`;
