import { beforeAll, describe, expect, test, vi } from "vitest";
import { Tokenizer } from "../../src/io/tokenizer.js";
import { checkTokenizer } from "../../src/io/tokenizer-checks.js";
import { readJson } from "./vocabularies.js";

type Json = Record<string, unknown>;
let json: Json;
beforeAll(async () => {
  json = await readJson("llama/tokenizer.json");
});

const split = (Regex: string) => ({ type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false });
const open = (changes: Json) =>
  new Tokenizer({ "tokenizer.json": { ...json, ...changes }, "tokenizer_config.json": {} }, "m");
const withModel = (changes: Json) => open({ model: { ...(json.model as Json), ...changes } });

describe("a pattern that takes too long", () => {
  // In one piece: the pattern looks at all of it.
  const text = `${"a".repeat(40)}b`;

  test.each([
    ["in the pre-tokenizer", { pre_tokenizer: split("(a+)+$") }],
    ["in the normalizer", { normalizer: { type: "Replace", pattern: { Regex: "(?:a|a)*c" }, content: "x" } }],
    ["among several", { pre_tokenizer: { type: "Sequence", pretokenizers: [split("x"), split("(a*)*c")] } }],
  ])("%s ends in an error", (_, changes) => {
    expect(() => open(changes).encode(text)).toThrow(
      "m/tokenizer.json: has a pattern that takes too long to match, as (a+)+$ does; write it without",
    );
  });

  test("in the decoder does as well", () => {
    const tokenizer = open({
      normalizer: null,
      decoder: {
        type: "Sequence",
        decoders: [{ type: "Fuse" }, { type: "Replace", pattern: { Regex: "(a|a)*c" }, content: "" }],
      },
    });
    const ids = tokenizer.encode(text, { addSpecialTokens: false });
    expect(() => tokenizer.decode(ids)).toThrow("has a pattern that takes too long");
  });

  test("is refused when the file is opened, where nothing can stop it", async () => {
    vi.resetModules();
    vi.doMock("#time-limit", () => import("../../src/io/time-limit-web.js"));
    const { checkTokenizer: inBrowser } = await import("../../src/io/tokenizer-checks.js");
    vi.doUnmock("#time-limit");
    const check = (pre_tokenizer: unknown) => inBrowser({ ...json, pre_tokenizer }, "tokenizer.json");
    expect(() => check(split("(a+)+$"))).toThrow(
      'tokenizer.json: has the pattern "(a+)+$", a repetition in a repetition, which a browser cannot stop; use the model in Node',
    );
    expect(check(split("\\p{N}{1,3}| ?\\p{L}+"))).toEqual({ mayHang: true });
  });
});

test("only patterns that are not known are watched", () => {
  const known = String.raw`\p{N}`;
  expect(checkTokenizer({ ...json, pre_tokenizer: split(known) }, "t")).toEqual({ mayHang: false });
  expect(checkTokenizer({ ...json, pre_tokenizer: split(`${known}+`) }, "t")).toEqual({ mayHang: true });
  expect(checkTokenizer(json, "t")).toEqual({ mayHang: false });
});

describe("ids", () => {
  test.each([1e9, 2 ** 32, -1, 0.5, "7", null])("of %j are refused", (id) => {
    const model = json.model as { vocab: Json };
    expect(() => withModel({ vocab: { ...model.vocab, new: id } })).toThrow(
      /^m\/tokenizer\.json: token "new": has the id .*, expected a whole number below \d+$/,
    );
  });

  test("of added tokens as well", () => {
    const added = [{ id: 1e9, content: "<x>", special: true }];
    expect(() => open({ added_tokens: added })).toThrow('token "<x>": has the id 1000000000');
  });

  test("may leave gaps", () => {
    const model = json.model as { vocab: Json };
    const tokenizer = withModel({ vocab: { ...model.vocab, new: 50_000 } });
    expect(tokenizer.vocabSize).toBe(50_001);
    expect(
      tokenizer.encode("a long text whose letters are all cut, over and over again".repeat(50)),
    ).not.toHaveLength(0);
  });
});

describe("rules that make a text longer", () => {
  const replace = (text: string, content: string) => ({
    type: "Replace",
    pattern: { String: text },
    content,
  });

  test.each([
    ["one", replace("a", "b".repeat(1001))],
    [
      "one after the other",
      { type: "Sequence", normalizers: Array.from({ length: 10 }, () => replace("a", "aa")) },
    ],
    ["one between all letters", { type: "Replace", pattern: { Regex: "" }, content: "b".repeat(1001) }],
    ["one before the text", { type: "Prepend", prepend: "b".repeat(1001) }],
  ])("%s too much are refused", (_, normalizer) => {
    expect(() => open({ normalizer })).toThrow(
      /m\/tokenizer\.json: normalizer: makes texts \d+ times as long/,
    );
  });
});

test("words of any length are not cut into pieces", () => {
  expect(() => withModel({ max_input_chars_per_word: 1e9 })).toThrow(
    "m/tokenizer.json: model.max_input_chars_per_word: is 1000000000, expected a number up to 1000",
  );
});

test("rules that are not known end in an error that names the file", () => {
  expect(() => open({ pre_tokenizer: { type: "Nonsense" } })).toThrow(
    /^m\/tokenizer\.json: cannot be used \(/,
  );
});
