import type { Random } from "../../src/random.js";
import { type Mutation, mutateBytes } from "./mutate-bytes.js";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Keys that mean something to JavaScript, to paths or to nobody. */
const strangeKeys = [
  "__proto__",
  "constructor",
  "toString",
  "length",
  "",
  "0",
  "../x",
  "\u0000",
  "model_type",
];

/** Stands for arrays in arrays, with how many they are: more than could be written in one go. */
const deepMark = "@deep:";
const deepArrays = (text: string): string =>
  text.replaceAll(/"@deep:(\d+)"/g, (_, depth) => "[".repeat(Number(depth)) + "]".repeat(Number(depth)));

/** A value that a field did not expect. */
function strangeValue(random: Random): Json {
  const numbers = [0, -1, 1, 0.5, 7, 1024, 65_535, 2 ** 31, 2 ** 32, 2 ** 53, 1e18, 1e308, -1e308, 5e-324];
  const texts = [
    "",
    " ",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "\u0000",
    "\ud800",
    "\ufeff",
    "a".repeat(300),
    "(",
    "(a+)+$",
    "(?:a|a)*b",
    "\\p{L}+|(\\s|\\s)*x",
    "{% for i in range(10**9) %}x{% endfor %}",
    "{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}{% endfor %}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{{ 'x' * 1000000000 }}",
  ];
  switch (random.below(6)) {
    case 0:
      return random.choice([null, true, false]);
    case 1:
      return random.choice([[], {}, [null], [[]], { a: 1 }, { __type: "x" }]);
    case 2:
      return `${deepMark}${random.choice([5, 1000, 100_000])}`;
    case 3:
      return random.choice(texts);
    case 4:
      return Array.from({ length: random.choice([1, 10, 1000]) }, () => random.choice(numbers));
    default:
      return random.choice(numbers);
  }
}

/** Where a value hangs. */
interface Slot {
  readonly parent: Json[] | { [key: string]: Json };
  readonly key: string | number;
}

function slotsOf(root: Json): Slot[] {
  const slots: Slot[] = [];
  const visit = (node: Json) => {
    if (Array.isArray(node)) {
      // Vocabularies are long lists: some of their places stand for all.
      const step = Math.max(1, Math.floor(node.length / 16));
      for (let i = 0; i < node.length; i += step) add(node, i);
    } else if (typeof node === "object" && node !== null) {
      const keys = Object.keys(node);
      const step = Math.max(1, Math.floor(keys.length / 64));
      for (let i = 0; i < keys.length; i += step) add(node, keys[i]!);
    }
  };
  const add = (parent: Slot["parent"], key: string | number) => {
    slots.push({ parent, key });
    visit((parent as Record<string | number, Json>)[key]!);
  };
  visit(root);
  return slots;
}

/** Changes one value of a tree, or what it is called. */
function mutateTree(root: Json, random: Random): void {
  const slots = slotsOf(root);
  if (slots.length === 0) return;
  const { parent, key } = random.choice(slots);
  const fields = parent as Record<string | number, Json>;
  const value = fields[key]!;
  switch (random.below(7)) {
    case 0:
      if (Array.isArray(parent)) parent.splice(Number(key), 1);
      else delete fields[key];
      break;
    case 1: {
      const other = random.choice(slots);
      fields[key] = structuredClone((other.parent as Record<string | number, Json>)[other.key]!);
      break;
    }
    case 2: {
      const name = random.choice([...strangeKeys, `${key}2`]);
      const descriptor = { value, enumerable: true, writable: true, configurable: true };
      if (Array.isArray(parent)) parent.push(value, value);
      else Object.defineProperty(parent, name, descriptor);
      break;
    }
    case 3:
      fields[key] = random.choice<Json>([[value], { value }, JSON.stringify(value).slice(0, 1000)]);
      break;
    case 4:
      if (typeof value === "number") fields[key] = random.choice([-value, value + 1, value * 2, value / 3]);
      else if (typeof value === "string") fields[key] = mutateText(value, random);
      else fields[key] = strangeValue(random);
      break;
    default:
      fields[key] = strangeValue(random);
  }
}

/** A text with some of its characters changed. */
export const mutateText = (text: string, random: Random): string =>
  mutateBytes(Buffer.from(text), random).toString();

/** Changes a JSON text by its values and keys; one in four times, and what is no JSON, by its bytes. */
export const mutateJson: Mutation = (bytes, random) => {
  if (random.below(4) === 0) return mutateBytes(bytes, random);
  let root: Json;
  try {
    root = JSON.parse(bytes.toString());
  } catch {
    return mutateBytes(bytes, random);
  }
  for (let n = random.choice([1, 1, 1, 2, 4]); n > 0; n--) mutateTree(root, random);
  return Buffer.from(deepArrays(JSON.stringify(root)));
};

/** Changes a JSON text of a line for each value. */
export const mutateJsonLines: Mutation = (bytes, random) => {
  const lines = bytes.toString().split("\n");
  const at = random.below(lines.length);
  lines[at] = mutateJson(Buffer.from(lines[at]!), random).toString();
  return Buffer.from(lines.join("\n"));
};
