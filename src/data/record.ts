import { InputError } from "../errors.js";
import { isObject, type JsonObject } from "../io/json-file.js";

/** A task and its answer, as in the Alpaca data sets. */
export interface InstructionRecord {
  readonly instruction: string;
  /** What the task is about, if it stands apart from it. */
  readonly input?: string;
  readonly output: string;
}

/** A text that makes one example. */
export interface TextRecord {
  readonly text: string;
}

/** One message of a conversation; the chat template may look at more than these two fields. */
export interface ChatMessage {
  readonly role: string;
  readonly content?: unknown;
  readonly [field: string]: unknown;
}

/** A conversation; what the assistant says is learnt. */
export interface ChatRecord {
  readonly messages: readonly ChatMessage[];
}

/** A question with answers to choose from, as in MMLU. */
export interface ChoiceRecord {
  readonly question: string;
  /** At least two, and no more than there are letters. */
  readonly choices: readonly string[];
  /** Which of the choices is right, from 0. */
  readonly answer: number;
  /** What the question is about. */
  readonly subject?: string;
}

/** A text of any length, to be cut into as many examples as it fills. */
export interface DocumentRecord {
  readonly document: string;
  /** Whether the text goes on in the next record. */
  readonly continues?: boolean;
}

/** One record of a data set. */
export type DataRecord = InstructionRecord | TextRecord | ChatRecord | ChoiceRecord | DocumentRecord;

/** How a row becomes a text: as its fields say, or always in one of the three ways. */
export const promptStyles = ["auto", "alpaca", "chat", "plain"] as const;
/** One of {@link promptStyles}. */
export type PromptStyle = (typeof promptStyles)[number];

/** The fields of records. */
export const recordFields = [
  "messages",
  "instruction",
  "input",
  "output",
  "question",
  "choices",
  "answer",
  "subject",
  "text",
] as const;
/** One of {@link recordFields}. */
export type RecordField = (typeof recordFields)[number];

/** How rows are read as records. */
export interface RecordOptions {
  /**
   * Default `auto`: `messages` make a conversation, `instruction` and `output` a task, `question`, `choices` and `answer` a
   * question, `text` a text.
   */
  readonly promptStyle?: PromptStyle;
  /** The column that each field is read from. Without it, fields are read from the columns of their names. */
  readonly columns?: Readonly<Partial<Record<RecordField, string>>>;
}

/** The columns that records are read from. */
export const columnsRead = ({ columns }: RecordOptions): string[] =>
  columns ? Object.values(columns) : [...recordFields];

/**
 * A row as a record. Other columns than those of the fields are passed over.
 *
 * @param where the row's file and line.
 * @throws InputError naming the row, and the column that is missing or wrong.
 */
export function parseRecord(where: string, row: unknown, options: RecordOptions = {}): DataRecord {
  if (!isObject(row)) throw new InputError(where, `is ${kindOf(row)}, expected an object`);
  const { promptStyle = "auto" } = options;
  const fields = new Fields(where, row, options);
  switch (promptStyle) {
    case "alpaca":
      return instructionOf(fields);
    case "plain":
      return { text: fields.text("text") };
    case "chat":
      return fields.has("messages") ? chatOf(fields) : asChat(instructionOf(fields));
  }
  if (fields.has("messages")) return chatOf(fields);
  // Some Alpaca files give the finished text too: the parts say more, for the prompt can be told from the answer.
  if (fields.has("instruction")) return instructionOf(fields);
  if (fields.has("choices")) return choicesOf(fields);
  if (fields.has("text")) return { text: fields.text("text") };
  const names = Object.keys(row).map((name) => `"${name}"`);
  throw new InputError(
    where,
    `has ${names.length === 0 ? "no fields" : `the fields ${names.join(", ")}`}, expected "messages", or "instruction" and "output", or "question", "choices" and "answer", or "text"; name them with columns`,
  );
}

/** A row's fields, under the names of a record's. */
class Fields {
  readonly #where: string;
  readonly #row: JsonObject;
  readonly #columns: RecordOptions["columns"];

  constructor(where: string, row: JsonObject, { columns }: RecordOptions) {
    this.#where = where;
    this.#row = row;
    this.#columns = columns;
  }

  has(field: RecordField): boolean {
    const column = this.#column(field);
    return column !== undefined && (this.#columns !== undefined || column in this.#row);
  }

  text(field: RecordField): string {
    const value = this.value(field);
    if (typeof value === "string") return value;
    throw this.error(field, `${given(value)}, expected a string`);
  }

  value(field: RecordField): unknown {
    return this.#row[this.#column(field) ?? field];
  }

  error(field: RecordField, problem: string): InputError {
    return new InputError(`${this.#where}: field "${this.#column(field) ?? field}"`, problem);
  }

  #column(field: RecordField): string | undefined {
    return this.#columns ? this.#columns[field] : field;
  }
}

function instructionOf(fields: Fields): InstructionRecord {
  const parts = { instruction: fields.text("instruction"), output: fields.text("output") };
  const hasInput = fields.has("input") && fields.value("input") !== null && fields.value("input") !== "";
  return hasInput ? { ...parts, input: fields.text("input") } : parts;
}

function chatOf(fields: Fields): ChatRecord {
  const messages = fields.value("messages");
  if (!Array.isArray(messages)) throw fields.error("messages", `${given(messages)}, expected an array`);
  for (const [i, message] of messages.entries()) {
    if (isObject(message) && typeof message.role === "string") continue;
    throw fields.error("messages", `has at ${i} no object with a "role"; a message is {"role", "content"}`);
  }
  const chat: readonly ChatMessage[] = messages;
  if (chat.some(({ role }) => role === "assistant")) return { messages: chat };
  throw fields.error("messages", 'has no message of the role "assistant", so there is nothing to learn');
}

/** The letters that stand for choices. */
export const choiceLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

function choicesOf(fields: Fields): ChoiceRecord {
  const choices: unknown = fields.value("choices");
  if (!Array.isArray(choices)) throw fields.error("choices", `${given(choices)}, expected an array`);
  const isText = (choice: unknown) => typeof choice === "string" && choice !== "";
  if (!(choices.length >= 2 && choices.length <= choiceLetters.length && choices.every(isText))) {
    throw fields.error("choices", `expected 2 to ${choiceLetters.length} texts that are not empty`);
  }
  const told = fields.value("answer");
  const answer = typeof told === "string" ? [...choiceLetters].indexOf(told.trim()) : told;
  const letters = choiceLetters.slice(0, choices.length);
  if (!(typeof answer === "number" && letters[answer] !== undefined)) {
    const found = told === undefined ? "is missing" : `is ${JSON.stringify(told)}`;
    throw fields.error(
      "answer",
      `${found}, expected a number from 0 to ${choices.length - 1} or a letter from A to ${letters.at(-1)}`,
    );
  }
  const subject = fields.has("subject") ? { subject: fields.text("subject") } : {};
  return { question: fields.text("question"), choices: choices as string[], answer, ...subject };
}

/** A task as a conversation. */
const asChat = ({ instruction, input, output }: InstructionRecord): ChatRecord => ({
  messages: [
    { role: "user", content: input === undefined ? instruction : `${instruction}\n${input}` },
    { role: "assistant", content: output },
  ],
});

const given = (value: unknown): string => (value === undefined ? "is missing" : `is ${kindOf(value)}`);

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
