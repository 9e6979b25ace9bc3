import type { TokenizerFiles } from "../io/gguf-tokenizer.js";
import type { Random } from "../random.js";
import { ignoreIndex } from "./ignore-index.js";
import { type NeedleOptions, type NeedleText, needleAmong } from "./passkey.js";
import type { Example, TokenizerLike } from "./tokenize.js";

const list = (words: string): readonly string[] => words.split(" ");

const names = list(
  "anna bob carla david emma felix greta hugo ida jonas karl lena marta nils olga paul quinn rosa simon tara ursula viktor wanda xaver",
);
const values = list(
  "apples bread corn dates eggs figs grapes honey ice jam kale lemons milk nuts olives pears quinces rice salt tea vanilla wine yams beans cake cheese cherries cocoa coffee fish flour garlic",
);
const adjectives = list("old quiet small grey long bright cold green");
const nouns = list("river wind hill road tree house cloud boat garden bird");
const verbs = list("turns rests waits sings moves shines sleeps grows");
const adverbs = list("slowly again today outside here softly");

const special = list("<pad> <unk> <s> </s>");

/** Every word of the texts about facts, in the order of the token ids. */
export const factsVocabulary: readonly string[] = [
  ...special,
  ...list(". ? the"),
  ...names,
  ...values,
  ...adjectives,
  ...nouns,
  ...verbs,
  ...adverbs,
];

const ids = new Map(factsVocabulary.map((word, id) => [word, id]));
const idOf = (word: string): number => ids.get(word)!;

/** Whether a tokenizer is that of the texts about facts: it has their words for tokens, and no others. */
export const knowsFactsAlone = (tokenizer: { readonly vocabSize: number } & TokenizerLike): boolean =>
  tokenizer.vocabSize === factsVocabulary.length &&
  String(tokenizer.encode(`${names[0]} ${values[0]}`)) === String(["<s>", names[0]!, values[0]!].map(idOf));

/** The share of right answers that guessing among the values gives. */
export const chanceRecall = 1 / values.length;

/** How a text about facts is put together. */
export interface FactsOptions {
  /** Tokens of the text. */
  readonly length: number;
  /** A question comes at least, and at most, so many tokens after its fact was last told. */
  readonly near: number;
  readonly far: number;
  /** Most facts that wait for their question at a time; default 8. */
  readonly waiting?: number;
  /** Chance that a sentence tells a fact, where one may; default 0.5. */
  readonly factShare?: number;
  /** How often each fact is asked for; default 1. */
  readonly asks?: number;
}

/** Where a fact is asked for. */
export interface Question {
  /** Place of the answer in the text. */
  readonly position: number;
  /** Tokens from the value, where it was last told, to the name in the question, after which it is to be said again. */
  readonly distance: number;
}

/** A text with the questions in it. */
export interface FactsText {
  readonly inputIds: readonly number[];
  readonly questions: readonly Question[];
}

interface Fact {
  readonly name: string;
  readonly value: string;
  /** Where the value was last told. */
  readonly told: number;
  /** Where it is to be asked for. */
  readonly due: number;
  /** How often it is still to be asked for. */
  readonly asks: number;
}

/**
 * A text that tells facts (`anna plums .`), fills in sentences without meaning (`the old river sings softly .`) and asks
 * for the facts again (`? anna plums .`). Names are drawn without, values with replacement, so that an answer can only be known from the
 * text. A question that would come too late, because others were due too, is left out.
 */
export function factsText(random: Random, options: FactsOptions): FactsText {
  const { length, near, far, waiting = 8, factShare = 0.5, asks = 1 } = options;
  const words = ["<s>"];
  const questions: Question[] = [];
  const unused = random.shuffle([...names]);
  let facts: Fact[] = [];
  const tell = (name: string, value: string, asksLeft: number) => {
    const told = words.push(name, value, ".") - 2;
    if (asksLeft > 0)
      facts.push({ name, value, told, due: told + near + random.below(far - near + 1), asks: asksLeft });
  };
  while (words.length < length) {
    const due = facts.filter((fact) => fact.due <= words.length + 1);
    if (due.length > 0) {
      const fact = random.choice(due);
      facts = facts.filter((other) => other !== fact);
      const distance = words.length + 1 - fact.told;
      if (distance > far) continue;
      words.push("?");
      questions.push({ position: words.length + 1, distance });
      tell(fact.name, fact.value, fact.asks - 1);
    } else if (unused.length > 0 && facts.length < waiting && random.uniform() < factShare) {
      tell(unused.pop()!, random.choice(values), asks);
    } else {
      words.push(...fillerSentence(random));
    }
  }
  return {
    inputIds: words.slice(0, length).map(idOf),
    questions: questions.filter(({ position }) => position < length),
  };
}

/** A sentence without meaning: `the old river sings softly .` */
const fillerSentence = (random: Random): string[] => [
  "the",
  ...[adjectives, nouns, verbs, adverbs].map((kind) => random.choice(kind)),
  ".",
];

/** One fact among sentences without meaning, asked for at the end. */
export function factNeedle(random: Random, { length, depth }: NeedleOptions): NeedleText {
  const [name, value] = [random.choice(names), random.choice(values)];
  const encode = (words: readonly string[]) => words.map(idOf);
  const [start, needle, question] = [encode(["<s>"]), encode([name, value, "."]), encode(["?", name])];
  const haystack: number[][] = [];
  let left = length - start.length - needle.length - question.length;
  for (let sentence = encode(fillerSentence(random)); left >= sentence.length; left -= sentence.length) {
    haystack.push(sentence);
    sentence = encode(fillerSentence(random));
  }
  return needleAmong(haystack, { depth, start, needle, question, answer: encode([value]) });
}

/** The text as an example of which the answers alone are learnt. */
export function answersExample({ inputIds, questions }: FactsText): Example {
  const labels = inputIds.map(() => ignoreIndex);
  for (const { position } of questions) labels[position] = inputIds[position]!;
  return { inputIds, labels };
}

/** A tokenizer of whole words for the texts about facts. */
export function factsTokenizerFiles(): TokenizerFiles {
  return {
    "tokenizer.json": {
      version: "1.0",
      added_tokens: special.map((content, id) => ({
        id,
        content,
        special: true,
        normalized: false,
        single_word: false,
        lstrip: false,
        rstrip: false,
      })),
      normalizer: null,
      pre_tokenizer: { type: "WhitespaceSplit" },
      post_processor: {
        type: "TemplateProcessing",
        single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
        pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
        special_tokens: { "<s>": { id: "<s>", ids: [ids.get("<s>")!], tokens: ["<s>"] } },
      },
      decoder: { type: "WordPiece", prefix: "##", cleanup: false },
      // Every word is one piece; the library that reads this in JavaScript knows no model of whole words.
      model: {
        type: "WordPiece",
        unk_token: "<unk>",
        continuing_subword_prefix: "##",
        max_input_chars_per_word: 100,
        vocab: Object.fromEntries(ids),
      },
    },
    "tokenizer_config.json": {
      tokenizer_class: "PreTrainedTokenizerFast",
      bos_token: "<s>",
      eos_token: "</s>",
      pad_token: "<pad>",
      unk_token: "<unk>",
    },
  };
}
