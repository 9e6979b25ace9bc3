import type { FinishReason, TextPiece } from "../generation.js";

/** How many tokens were read and written. */
export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
}

/** The usage of some texts together. */
export function usageOf(texts: readonly { promptTokens: number; newTokens: number }[]): Usage {
  const prompt_tokens = texts.reduce((sum, { promptTokens }) => sum + promptTokens, 0);
  const completion_tokens = texts.reduce((sum, { newTokens }) => sum + newTokens, 0);
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

/** How an endpoint puts texts into its answers. */
export interface TextForm {
  /** What ids of answers begin with. */
  readonly idPrefix: string;
  /** `object` of a whole answer, and of a piece of a streamed one. */
  readonly object: string;
  readonly pieceObject: string;
  /** A whole text, as one of `choices`. */
  whole(index: number, text: string, finishReason: FinishReason): object;
  /** What a streamed text begins with; undefined for nothing. */
  opening(index: number): object | undefined;
  /** A piece of it. */
  piece(index: number, piece: TextPiece): object;
}

/** The form of `/v1/completions`. */
export const completionForm: TextForm = {
  idPrefix: "cmpl",
  object: "text_completion",
  pieceObject: "text_completion",
  whole: (index, text, finish_reason) => ({ index, text, logprobs: null, finish_reason }),
  opening: () => undefined,
  piece: (index, { text, finishReason = null }) => ({
    index,
    text,
    logprobs: null,
    finish_reason: finishReason,
  }),
};

/** The form of `/v1/chat/completions`. */
export const chatForm: TextForm = {
  idPrefix: "chatcmpl",
  object: "chat.completion",
  pieceObject: "chat.completion.chunk",
  whole: (index, content, finish_reason) => ({
    index,
    message: { role: "assistant", content, refusal: null },
    logprobs: null,
    finish_reason,
  }),
  opening: (index) => ({
    index,
    delta: { role: "assistant", content: "" },
    logprobs: null,
    finish_reason: null,
  }),
  piece: (index, { text, finishReason = null }) => ({
    index,
    delta: text ? { content: text } : {},
    logprobs: null,
    finish_reason: finishReason,
  }),
};
