import { describe, expect, test } from "vitest";
import { type TokenizerLike, tokenizeDataset } from "../../src/data/tokenize.js";
import { InputError } from "../../src/errors.js";
import { conversation, templateOf, templates } from "./templates.js";

const bosId = 1;
const eosId = 2;

/** A token for each letter, counted from 10 at "a"; line feed is 3, and "\n\n" is one token of its own, 4. */
const letters = (text: string): number[] =>
  (text.match(/\n\n|\n|./g) ?? []).map((piece) =>
    piece === "\n\n" ? 4 : piece === "\n" ? 3 : piece.charCodeAt(0) - 87,
  );
const withBos: TokenizerLike = { encode: (text) => [bosId, ...letters(text)], bosId, eosId };
const plain: TokenizerLike = { encode: letters };

describe("tokenizeDataset", () => {
  test("adds the end of the sequence after what the tokenizer gives, and learns every token", () => {
    expect(tokenizeDataset([{ text: "abc" }], withBos, { maxLength: 8 })).toEqual([
      { inputIds: [bosId, 10, 11, 12, eosId], labels: [bosId, 10, 11, 12, eosId] },
    ]);
  });

  test("adds no end that the tokenizer has added, and none that it does not have", () => {
    const ending: TokenizerLike = { encode: (text) => [...letters(text), eosId], eosId };
    expect(tokenizeDataset([{ text: "ab" }], ending, { maxLength: 8 })[0]!.inputIds).toEqual([10, 11, eosId]);
    expect(tokenizeDataset([{ text: "ab" }], plain, { maxLength: 8 })[0]!.inputIds).toEqual([10, 11]);
  });

  test("cuts at maxLength, and then there is no end", () => {
    const idsOf = (maxLength: number) =>
      tokenizeDataset([{ text: "abc" }], withBos, { maxLength })[0]!.inputIds;
    expect(idsOf(5)).toEqual([bosId, 10, 11, 12, eosId]);
    expect(idsOf(4)).toEqual([bosId, 10, 11, 12]);
    expect(idsOf(3)).toEqual([bosId, 10, 11]);
  });

  test("with maskPrompt learns the completion and the end alone", () => {
    const records = [{ instruction: "a", input: "b", output: "cd" }];
    expect(tokenizeDataset(records, withBos, { maxLength: 16, maskPrompt: true })).toEqual([
      {
        inputIds: [bosId, 10, 3, 11, 3, 12, 13, eosId],
        labels: [-100, -100, -100, -100, -100, 12, 13, eosId],
      },
    ]);
    expect(tokenizeDataset(records, withBos, { maxLength: 16 })[0]!.labels).toEqual([
      bosId,
      10,
      3,
      11,
      3,
      12,
      13,
      eosId,
    ]);
  });

  test("a token that joins the prompt's end and the answer's start is learnt", () => {
    const records = [{ instruction: "a", output: "\nb" }];
    expect(tokenizeDataset(records, withBos, { maxLength: 16, maskPrompt: true })).toEqual([
      { inputIds: [bosId, 10, 4, 11, eosId], labels: [-100, -100, 4, 11, eosId] },
    ]);
  });

  test("leaves out records with nothing to predict", () => {
    const records = [
      { instruction: "abcdef", output: "g" },
      { instruction: "a", output: "b" },
    ];
    expect(tokenizeDataset(records, withBos, { maxLength: 6, maskPrompt: true })).toHaveLength(1);
    expect(
      tokenizeDataset([{ text: "a" }, { text: "ab" }, { text: "" }], plain, { maxLength: 6 }),
    ).toHaveLength(1);
  });

  test("refuses data of which nothing is left, and an impossible length", () => {
    expect(() => tokenizeDataset([{ text: "a" }], plain, { maxLength: 6 })).toThrow(InputError);
    expect(() => tokenizeDataset([{ text: "abc" }], plain, { maxLength: 1 })).toThrow(
      "max_length: is 1, expected an integer of at least 2",
    );
  });

  describe("learns of a conversation", () => {
    const codes = (text: string) => [...text].map((letter) => letter.charCodeAt(0));
    const chatting = (source: string): TokenizerLike => ({
      encode: (text, { addSpecialTokens = true } = {}) => [
        ...(addSpecialTokens ? [bosId] : []),
        ...codes(text),
      ],
      bosId,
      eosId,
      chatTemplate: templateOf(source),
    });

    test("the assistant's turns alone, and adds no token to what the template writes", () => {
      const tokenizer = chatting(templates.gemma);
      const [example] = tokenizeDataset([{ messages: conversation }], tokenizer, { maxLength: 500 });
      expect(String.fromCharCode(...example!.inputIds)).toBe(
        templateOf(templates.gemma).render(conversation),
      );
      const learnt = example!.labels.map((label) => (label === -100 ? "_" : String.fromCharCode(label)));
      expect(learnt.join("").replaceAll(/_+/g, "_")).toBe("_hello<end_of_turn>\n_so long<end_of_turn>\n");
    });

    test("a token that reaches into a turn, not one that reaches out of it", () => {
      const pairs: TokenizerLike = {
        encode: (text) =>
          (text.match(/..?/gs) ?? []).map((pair) => 256 * pair.charCodeAt(0) + (pair.charCodeAt(1) || 0)),
        chatTemplate: {
          render: (messages) => messages.map(({ content }) => content).join(""),
          renderMarked: () => undefined,
        },
      };
      const messages = ["abc", "defg", "h"].map((content, i) => ({
        role: ["user", "assistant", "user"][i]!,
        content,
      }));
      const [{ inputIds, labels } = { inputIds: [], labels: [] }] = tokenizeDataset([{ messages }], pairs, {
        maxLength: 9,
      });
      expect(inputIds).toHaveLength(4);
      expect(labels.map((label) => label !== -100)).toEqual([false, true, true, false]);
    });

    test("nothing without a template", () => {
      expect(() => tokenizeDataset([{ messages: conversation }], withBos, { maxLength: 9 })).toThrow(
        "chat_template: is not in the model's tokenizer_config.json, and conversations need one; give a Jinja file",
      );
    });
  });

  test("a document that goes on has no end", () => {
    const records = [{ document: "ab", continues: true }, { document: "c" }];
    expect(tokenizeDataset(records, withBos, { maxLength: 8 }).map(({ inputIds }) => inputIds)).toEqual([
      [bosId, 10, 11],
      [bosId, 12, eosId],
    ]);
  });

  describe("cuts a document into windows", () => {
    const document = "abcdefghijklmnopqrstuvwxyz";

    test("that each start with the beginning of sequence and end once", () => {
      expect(
        tokenizeDataset([{ document: "abcdef" }], withBos, { maxLength: 4 }).map(({ inputIds }) => inputIds),
      ).toEqual([
        [bosId, 10, 11, 12],
        [bosId, 13, 14, 15],
        [bosId, eosId],
      ]);
    });

    test("that start with the last token of the window before, without such a token", () => {
      expect(
        tokenizeDataset([{ document: "abcdef" }], plain, { maxLength: 4 }).map(({ inputIds }) => inputIds),
      ).toEqual([
        [10, 11, 12, 13],
        [13, 14, 15],
      ]);
    });

    test.each([2, 3, 5, 27, 28, 100])("of length %i that predict every token exactly once", (maxLength) => {
      const predicted = tokenizeDataset([{ document }], withBos, { maxLength }).flatMap(({ labels }) =>
        labels.slice(1),
      );
      expect(predicted).toEqual([...letters(document), eosId]);
    });
  });
});
