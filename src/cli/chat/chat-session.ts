import { InputError } from "../../errors.js";
import { Conversation, type FinishReason, type ReplyOptions } from "../../tptt/conversation.js";
import type { TpttModel } from "../../tptt/tptt-model.js";
import type { CliIo } from "../command.js";
import { pace } from "../pace.js";
import type { Fields } from "../reporter.js";

/** An answer as it was told. */
export interface Reply {
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly tokens: number;
  readonly tokensPerSecond: number | undefined;
}

/** Where a chat is shown. */
export interface ChatView {
  /** Of a long reading of `total` tokens, so many are read. */
  reading(tokens: number, total: number): void;
  /** Nothing is being read any more, for whatever reason. */
  readingEnded(): void;
  /** A piece of an answer. */
  text(piece: string): void;
  /** An answer is at its end. */
  replied(reply: Reply, seen: number): void;
  /** Anything else that happened, for programs, and what a person is told of it. */
  told(event: string, fields: Fields, note: string): void;
}

/** How a chat goes. */
export interface ChatSessionOptions {
  readonly system: string | undefined;
  readonly reply: ReplyOptions;
  readonly onInterrupt: CliIo["onInterrupt"];
}

/** A command inside a chat. */
interface ChatCommand {
  readonly name: string;
  readonly operand?: string;
  readonly help: string;
  run(operand: string): void | Promise<void>;
}

/** So many tokens take a while to read: a person is told. */
const longReading = 512;

const hints =
  "A line that ends with a backslash goes on in the next. Ctrl-C stops an answer, or the reading of a long message; else it leaves.";

/** A chat line by line: what begins with a slash is a command, all else is said to the model. */
export class ChatSession {
  readonly #model: TpttModel;
  readonly #view: ChatView;
  readonly #options: ChatSessionOptions;
  #chat: Conversation;
  #ended = false;
  #turns = 0;
  #tokens = 0;

  readonly #commands: readonly ChatCommand[] = [
    {
      name: "/reset",
      help: "forget all but the system prompt",
      run: () => {
        this.#chat.reset();
        this.#view.told("reset", {}, "forgotten");
      },
    },
    {
      name: "/save",
      operand: "FILE",
      help: "write the conversation, and what the model remembers of it, to a file",
      run: async (path) => {
        await this.#chat.save(path);
        this.#view.told("save", { path, ...this.#state() }, `saved to ${path}`);
      },
    },
    {
      name: "/load",
      operand: "FILE",
      help: "go on with a conversation that was saved",
      run: async (path) => {
        const loaded = await Conversation.load(this.#model, path);
        this.#chat.reset();
        this.#chat = loaded;
        const { messages, seen } = this.#state();
        this.#view.told(
          "load",
          { path, messages, seen },
          `loaded ${messages} messages, ${seen} tokens, from ${path}`,
        );
      },
    },
    {
      name: "/help",
      help: "show this",
      run: () => {
        const usage = this.#commands.map(({ name, operand, help }) => [
          operand ? `${name} ${operand}` : name,
          help,
        ]);
        const shown = usage.map(([form, help]) => `${form!.padEnd(12)}${help}`).join("\n");
        this.#view.told("help", { commands: Object.fromEntries(usage) }, `${shown}\n${hints}`);
      },
    },
    {
      name: "/exit",
      help: "leave; so does the end of input (Ctrl-D)",
      run: () => {
        this.#ended = true;
      },
    },
  ];

  /** @throws InputError when the model cannot hold a conversation. */
  constructor(model: TpttModel, view: ChatView, options: ChatSessionOptions) {
    this.#model = model;
    this.#view = view;
    this.#options = options;
    this.#chat = new Conversation(model, { system: options.system });
  }

  /** Whether the user has left. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Answers, and the tokens of all of them. */
  get totals(): { readonly turns: number; readonly tokens: number } {
    return { turns: this.#turns, tokens: this.#tokens };
  }

  /** @throws InputError for what the user can mend; the chat goes on as it was. */
  async take(line: string): Promise<void> {
    if (line.trim() === "") return;
    if (!line.startsWith("/")) return this.#say(line);
    const [, name, operand] = /^(\/\S*)\s*(.*?)\s*$/s.exec(line)!;
    const command = this.#commands.find((command) => command.name === name);
    if (!command) {
      throw new InputError(
        name!,
        "is no command; /help shows them, and a space before it makes it a message",
      );
    }
    if (command.operand && !operand)
      throw new InputError(name!, `is given alone, expected ${name} ${command.operand}`);
    if (!command.operand && operand)
      throw new InputError(name!, `is given ${operand}, expected ${name} alone`);
    await command.run(operand!);
  }

  #state() {
    return { messages: this.#chat.messages.length, seen: this.#chat.seen };
  }

  async #say(message: string): Promise<void> {
    const controller = new AbortController();
    const release = this.#options.onInterrupt(() => controller.abort());
    const arrivals: number[] = [];
    let total = 0;
    const replying = this.#chat.reply(message, {
      ...this.#options.reply,
      signal: controller.signal,
      onToken: () => arrivals.push(performance.now()),
      onRead: ({ tokens, anew }) => {
        total = tokens;
        const why = anew ? "the template writes what was said otherwise now: it is read again" : "";
        const note = why || (tokens > longReading ? `(reading ${tokens} tokens)` : "");
        this.#view.told("read", { tokens, anew }, note);
      },
      onProgress: (tokens) => {
        if (total > longReading) this.#view.reading(tokens, total);
      },
    });
    try {
      let text = "";
      // Before the first piece all is read.
      let step = await replying.next().finally(() => this.#view.readingEnded());
      for (; !step.done; step = await replying.next()) {
        text += step.value;
        this.#view.text(step.value);
      }
      if (step.value !== "unread") this.#turns++;
      this.#tokens += arrivals.length;
      const reply = {
        text,
        finishReason: step.value,
        tokens: arrivals.length,
        tokensPerSecond: pace(arrivals),
      };
      this.#view.replied(reply, this.#chat.seen);
    } finally {
      release();
    }
  }
}
