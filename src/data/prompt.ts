import type { InstructionRecord } from "./record.js";

/** What the model is given, and what it should answer. */
export interface PromptAndCompletion {
  readonly prompt: string;
  readonly completion: string;
}

/** The prompt of the Python project's trainings on Alpaca data: instruction, input and answer, a line feed between them. */
export function alpacaPrompt({ instruction, input, output }: InstructionRecord): PromptAndCompletion {
  const prompt = input === undefined ? `${instruction}\n` : `${instruction}\n${input}\n`;
  return { prompt, completion: output };
}
