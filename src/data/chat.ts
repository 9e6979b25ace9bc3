import { InputError } from "../errors.js";
import type { ChatMessage } from "./record.js";

/** What this layer asks of a chat template. */
export interface ChatTemplateLike {
  /** The text of a conversation. */
  render(messages: readonly ChatMessage[], options?: { addGenerationPrompt?: boolean }): string;
  /** The text in pieces, each second one the assistant's; undefined when the template does not tell. */
  renderMarked(messages: readonly ChatMessage[]): string[] | undefined;
}

/** From one character to another, the last not included. */
export type Span = readonly [from: number, to: number];

/** A conversation as the model reads it, and where the assistant speaks. */
export interface ChatText {
  readonly text: string;
  readonly answers: readonly Span[];
}

/**
 * Renders a conversation. The assistant's parts are those that the template marks. When it marks none, a turn begins
 * where the text of the messages before it ends, with what opens an answer, and ends where the text of the messages
 * up to it does.
 *
 * @throws InputError when the template writes earlier messages otherwise once others follow.
 */
export function renderChat(messages: readonly ChatMessage[], template: ChatTemplateLike): ChatText {
  const pieces = template.renderMarked(messages);
  if (pieces) return fromPieces(pieces);
  const text = template.render(messages);
  const answers = messages.flatMap(({ role }, i): Span[] => {
    if (role !== "assistant") return [];
    const before = template.render(messages.slice(0, i), { addGenerationPrompt: true });
    const turn = turnAt(text, before, template.render(messages.slice(0, i + 1)));
    if (turn === undefined) {
      throw new InputError(
        "chat_template",
        `writes message ${i} otherwise once others follow, so that it cannot be told from them; give a template that marks answers with {% generation %}`,
      );
    }
    return [turn];
  });
  return { text, answers };
}

/**
 * @param before the messages before the turn, and what opens it.
 * @param upTo the messages with the turn as the last one.
 */
function turnAt(text: string, before: string, upTo: string): Span | undefined {
  const from = commonLength(text, before);
  if (from < before.trimEnd().length || !upTo.startsWith(before.slice(0, from))) return undefined;
  // What a template puts before the last answer alone (thoughts, say) is missing where others follow.
  for (let start = from; start < upTo.length; start++) {
    const turn = upTo.slice(start);
    if (turn.trim() !== "" && text.startsWith(turn, from)) return [from, from + upTo.length - start];
  }
  return undefined;
}

function commonLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

function fromPieces(pieces: readonly string[]): ChatText {
  const answers: Span[] = [];
  let at = 0;
  for (const [i, piece] of pieces.entries()) {
    if (i % 2 === 1) answers.push([at, at + piece.length]);
    at += piece.length;
  }
  return { text: pieces.join(""), answers };
}

/** A text that was read: the template's up to an answer, and the answer as the model wrote it. */
export interface ReadText {
  readonly prompt: string;
  readonly answer: string;
}

/**
 * What follows in a text after what was read; undefined when it begins otherwise. White space around an answer, which
 * many templates cut off or set, may differ.
 */
export function textAfter(text: string, { prompt, answer }: ReadText): string | undefined {
  if (!text.startsWith(prompt)) return undefined;
  const rest = text.slice(prompt.length);
  if (rest.startsWith(answer)) return rest.slice(answer.length);
  const said = answer.trim();
  if (said === "") return rest;
  const from = rest.trimStart();
  return from.startsWith(said) ? from.slice(said.length) : undefined;
}

/** What tells special tokens from text. */
export interface SpecialTokens {
  encode(text: string, options?: { addSpecialTokens?: boolean }): number[];
  isSpecial(id: number): boolean;
}

/**
 * The special token that a template writes after an answer: it ends a turn, whatever else ends a text. None where the
 * template has none.
 */
export function turnEndIds(tokenizer: SpecialTokens, template: ChatTemplateLike): number[] {
  const answer = "answer";
  const messages = [
    { role: "user", content: "question" },
    { role: "assistant", content: answer },
  ];
  const text = template.render(messages);
  const rest = text.slice(text.lastIndexOf(answer) + answer.length);
  const [first] = tokenizer.encode(rest, { addSpecialTokens: false });
  return first !== undefined && tokenizer.isSpecial(first) ? [first] : [];
}
