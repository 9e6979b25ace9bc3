import { type ChoiceRecord, choiceLetters, type InstructionRecord } from "./record.js";

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

/**
 * A question as MMLU's authors ask it (Hendrycks et al., arXiv 2009.03300): the choices with letters, the letter of the right
 * one as the answer.
 */
export function choicePrompt({ question, choices, answer, subject }: ChoiceRecord): PromptAndCompletion {
  const about = subject === undefined ? "" : ` about ${subject.replaceAll("_", " ")}`;
  const lines = choices.map((choice, i) => `${choiceLetters[i]}. ${choice}`);
  const head = `The following are multiple choice questions (with answers)${about}.`;
  return {
    prompt: `${head}\n\n${question}\n${lines.join("\n")}\nAnswer:`,
    completion: ` ${choiceLetters[answer]}`,
  };
}

/** What a record asks, and what is to be answered. */
export const promptOf = (record: InstructionRecord | ChoiceRecord): PromptAndCompletion =>
  "choices" in record ? choicePrompt(record) : alpacaPrompt(record);
