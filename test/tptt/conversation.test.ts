import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/io/json-file.js";
import { Conversation, type Reading, type ReplyOptions } from "../../src/tptt/conversation.js";
import type { FromPretrainedOptions } from "../../src/tptt/files/open-titan.js";
import type { TpttModel } from "../../src/tptt/tptt-model.js";
import { openWorkspace, type Workspace } from "../cli/workspace.js";
import { change, chatWorkspace, letterTemplate, openChatModel } from "./chatting.js";

const model = async (template?: string, options?: FromPretrainedOptions): Promise<TpttModel> =>
  openChatModel(await chatWorkspace(template), options);

/** Says something, and waits for the whole answer. */
async function say(chat: Conversation, content: string, options: ReplyOptions = {}) {
  let answer = "";
  let reading: Reading | undefined;
  const ids: number[] = [];
  const reply = chat.reply(content, {
    maxNewTokens: 6,
    onRead: (read) => {
      reading = read;
    },
    onToken: (id) => ids.push(id),
    ...options,
  });
  for (let step = await reply.next(); ; step = await reply.next()) {
    if (step.done) return { answer, ids, reason: step.value, ...reading! };
    answer += step.value;
  }
}

/** What a model writes when it reads a whole text at once. */
async function written(model: TpttModel, text: string, count: number): Promise<string> {
  const tokenizer = model.requireTokenizer();
  const decoder = model.decoder();
  const ids: number[] = [];
  let next = tokenizer.encode(text, { addSpecialTokens: false });
  while (ids.length < count) {
    const [logits] = await decoder.read([next]);
    const best = logits!.indexOf(Math.max(...logits!));
    ids.push(best);
    next = [best];
  }
  return tokenizer.decode(ids, { skipSpecialTokens: true });
}

/** Makes the token of a letter one that is not text. */
const makeSpecial = (workspace: Workspace, id: number, content: string) =>
  change(workspace, "tokenizer.json", ({ added_tokens, ...rest }) => ({
    ...rest,
    added_tokens: [...(added_tokens as object[]), { id, content, special: true, normalized: false }],
  }));

describe("a conversation", () => {
  test("reads in each turn only what is new, and answers as if it had read all", async () => {
    const titan = await model();
    const chat = new Conversation(titan, { system: "be brief" });
    const first = await say(chat, "hello");
    const prompt = "<s>[system]be brief\n[user]hello\n[assistant]";
    const opening = titan.tokenizer!.encode(prompt, { addSpecialTokens: false }).length;
    expect(first).toMatchObject({ tokens: opening, anew: false, reason: "length" });
    expect(first.answer).toBe(await written(titan, prompt, 6));
    expect(chat.seen).toBe(opening + 5);

    const second = await say(chat, "and?");
    // The last token of the answer, what ends it, and the new message.
    expect(second).toMatchObject({
      tokens: 1 + 1 + "[user]and?".length + 1 + "[assistant]".length,
      anew: false,
    });
    const whole = `${prompt}${first.answer}\n[user]and?\n[assistant]`;
    expect(second.answer).toBe(await written(titan, whole, 6));
    expect(chat.messages).toEqual([
      { role: "system", content: "be brief" },
      { role: "user", content: "hello" },
      { role: "assistant", content: first.answer },
      { role: "user", content: "and?" },
      { role: "assistant", content: second.answer },
    ]);
  });

  test("keeps the tokens that the model wrote where the tokenizer would take others", async () => {
    const workspace = await chatWorkspace();
    const plain = await openChatModel(workspace);
    const { ids } = await say(new Conversation(plain), "hello");
    const pair = ids.slice(0, 2).map((id) => plain.tokenizer!.decode([id])) as [string, string];
    await change(workspace, "tokenizer.json", ({ model, ...rest }) => {
      const { vocab } = model as { vocab: JsonObject };
      return {
        ...rest,
        model: { ...(model as object), vocab: { ...vocab, [pair.join("")]: 96 }, merges: [pair] },
      };
    });
    const titan = await openChatModel(workspace);
    expect(titan.tokenizer!.encode(pair.join(""), { addSpecialTokens: false })).toEqual([96]);
    const chat = new Conversation(titan);
    const other = new Conversation(plain);
    for (const said of ["hello", "go on", "go on"]) {
      const [found, expected] = [await say(chat, said), await say(other, said)];
      expect(found).toEqual(expected);
      expect(found.anew).toBe(false);
    }
  });

  test("does not mind a template that cuts white space off an answer", async () => {
    const titan = await model(letterTemplate.replace("m.content", "(m.content | trim)"));
    const chat = new Conversation(titan);
    // The likeliest token is space, wherever it is allowed to be.
    const spaced = { ids: [] as number[] };
    for (let seed = 0; !/^ |[ \n]$/.test(titan.tokenizer!.decode(spaced.ids)); seed++) {
      chat.reset();
      spaced.ids = (await say(chat, "hello", { temperature: 3, seed })).ids;
    }
    expect((await say(chat, "on")).anew).toBe(false);
  });

  test("is read anew, and says so, where the template writes what was said otherwise", async () => {
    const titan = await model(letterTemplate.replace("m.content", "(m.content if loop.last else '..')"));
    const chat = new Conversation(titan);
    expect((await say(chat, "hello")).anew).toBe(false);
    const second = await say(chat, "on");
    const whole = "<s>[user]..\n[assistant]..\n[user]on\n[assistant]";
    expect(second).toMatchObject({
      anew: true,
      tokens: titan.tokenizer!.encode(whole, { addSpecialTokens: false }).length,
      answer: await written(titan, whole, 6),
    });
  });

  test("is read anew where the model wrote a special token, which no message shows", async () => {
    const workspace = await chatWorkspace();
    const plain = await openChatModel(workspace);
    const { ids } = await say(new Conversation(plain), "hello");
    const letter = plain.tokenizer!.decode([ids[1]!]);
    await makeSpecial(workspace, ids[1]!, letter);
    const titan = await openChatModel(workspace);
    const chat = new Conversation(titan);
    const { answer } = await say(chat, "hello");
    expect(answer).toHaveLength(5);
    const whole = `<s>[user]hello\n[assistant]${answer}\n[user]on\n[assistant]`;
    expect(await say(chat, "on")).toMatchObject({ anew: true, answer: await written(titan, whole, 6) });
  });

  test("begins again after a reset, with its system prompt", async () => {
    const chat = new Conversation(await model(), { system: "x" });
    const first = await say(chat, "hello");
    await say(chat, "on");
    chat.reset();
    expect(chat.seen).toBe(0);
    expect(chat.messages).toEqual([{ role: "system", content: "x" }]);
    expect(await say(chat, "hello")).toEqual(first);
  });

  test("draws by its seed and turn", async () => {
    const chat = new Conversation(await model());
    const drawn = async (seed: number) => {
      chat.reset();
      const hot = { temperature: 2, seed, maxNewTokens: 12 };
      return [(await say(chat, "hello", hot)).answer, (await say(chat, "hello", hot)).answer];
    };
    const first = await drawn(1);
    expect(first[0]).not.toBe(first[1]);
    expect(await drawn(1)).toEqual(first);
    expect(await drawn(2)).not.toEqual(first);
  });
});

describe("an answer ends", () => {
  test("at a token that ends a text, and at the special token that the template writes after it", async () => {
    const workspace = await chatWorkspace();
    const free = await say(new Conversation(await openChatModel(workspace)), "hello");
    const end = free.ids.findIndex((id, i) => i > 0 && !free.ids.slice(0, i).includes(id));
    const expected = { reason: "stop", ids: free.ids.slice(0, end) };

    await change(workspace, "config.json", (config) => ({ ...config, eos_token_id: free.ids[end] }));
    const chat = new Conversation(await openChatModel(workspace));
    expect(await say(chat, "hello")).toMatchObject(expected);
    expect((await say(chat, "on")).tokens).toBe(1 + "[user]on".length + 1 + "[assistant]".length);

    await change(workspace, "config.json", (config) => ({ ...config, eos_token_id: 0 }));
    const letter = (await openChatModel(workspace)).tokenizer!.decode([free.ids[end]!]);
    await makeSpecial(workspace, free.ids[end]!, letter);
    const template = letterTemplate.replace(
      "m.content +",
      `m.content + (${JSON.stringify(letter)} if m.role == 'assistant' else '') +`,
    );
    await workspace.write("base/chat_template.jinja", template);
    expect(await say(new Conversation(await openChatModel(workspace)), "hello")).toMatchObject(expected);
  });

  test("when nobody listens any more, or by its signal: what was written stays, and is not read again", async () => {
    for (const how of ["return", "signal"]) {
      const titan = await model();
      const chat = new Conversation(titan);
      const controller = new AbortController();
      let answer = "";
      const options = { maxNewTokens: 50, signal: controller.signal };
      for await (const text of chat.reply("hello", options)) {
        answer += text;
        if (answer.length < 3) continue;
        if (how === "return") break;
        controller.abort();
      }
      expect(chat.messages.at(-1)).toEqual({ role: "assistant", content: answer });
      expect(answer.length).toBe(3);
      const prompt = `<s>[user]hello\n[assistant]${answer}\n[user]on\n[assistant]`;
      const next = await say(chat, "on");
      expect(next).toMatchObject({ anew: false, answer: await written(titan, prompt, 6) });
      expect(next.tokens).toBeLessThan(25);
    }
  });

  test("by its signal, before a long message is read: the conversation is as before it", async () => {
    for (const told of [[], ["hello"]]) {
      const titan = await model();
      const [chat, other] = [
        new Conversation(titan, { system: "x" }),
        new Conversation(titan, { system: "x" }),
      ];
      for (const content of told) for (const each of [chat, other]) await say(each, content);
      const { messages, seen } = chat;
      const controller = new AbortController();
      const progress: number[] = [];
      const stopped = await say(chat, "long ".repeat(110), {
        signal: controller.signal,
        onProgress: (tokens) => {
          progress.push(tokens);
          controller.abort();
        },
      });
      expect(stopped).toMatchObject({ reason: "unread", answer: "", ids: [] });
      expect(progress).toEqual([256]);
      expect(chat.messages).toBe(messages);
      expect(chat.seen).toBe(seen);
      expect(await say(chat, "on")).toEqual(await say(other, "on"));
    }
  });

  test("where the model's positions do", async () => {
    const workspace = await chatWorkspace();
    await change(workspace, "config.json", (config) => ({ ...config, max_position_embeddings: 40 }));
    const chat = new Conversation(await openChatModel(workspace));
    const first = await say(chat, "hello", { maxNewTokens: 100 });
    // 24 tokens are the prompt's; the last that is written needs no position.
    expect(first).toMatchObject({ reason: "length", tokens: 24 });
    expect(first.ids).toHaveLength(17);
    const before = chat.messages;
    await expect(say(chat, "on")).rejects.toThrow(
      "conversation: has 62 tokens with the new message, the model knows positions up to 40; begin a new one",
    );
    expect(chat.messages).toBe(before);
  });
});

test("what a template or an option refuses leaves the conversation as it was", async () => {
  const odd = `{% if messages[-1].content == 'no' %}{{ raise_exception('not this') }}{% endif %}${letterTemplate}`;
  const chat = new Conversation(await model(odd));
  await say(chat, "hello");
  const { messages, seen } = chat;
  await expect(say(chat, "no")).rejects.toThrow("cannot be rendered (not this)");
  await expect(say(chat, "on", { temperature: -1 })).rejects.toThrow("temperature: is -1");
  expect(chat.messages).toBe(messages);
  expect(chat.seen).toBe(seen);
  expect((await say(chat, "on")).anew).toBe(false);
});

test("one answer is written at a time", async () => {
  const chat = new Conversation(await model());
  const reply = chat.reply("hello");
  await reply.next();
  for (const other of [() => chat.reply("on").next(), async () => chat.reset(), () => chat.save("x")])
    await expect(other()).rejects.toThrow("an answer is being written");
  await reply.return("aborted");
  expect((await say(chat, "on")).anew).toBe(false);
});

test("a model without a template is refused, and a template without text", async () => {
  const mute = await openChatModel(await openWorkspace());
  expect(() => new Conversation(mute)).toThrow(/base: chat_template: is missing, and conversations need one/);
  const titan = await model();
  titan.requireTokenizer().useChatTemplate("", "x");
  await expect(say(new Conversation(titan), "hello")).rejects.toThrow("chat_template: gives no text");
});

describe("a conversation that was saved goes on with the same tokens", () => {
  test.each([
    ["at mu 0.5", { magWeight: 0.5 }],
    ["at mu 1", { magWeight: 1 }],
    ["with a window", { magWeight: 0.5, maxSelfAttnLength: 7 }],
    ["in Python's form", { operatorForm: "tptt-0.12" }],
  ] as [string, FromPretrainedOptions][])("%s", async (_, options) => {
    const workspace = await chatWorkspace();
    const titan = await openChatModel(workspace, options);
    const path = join(workspace.folder, "talk.safetensors");
    const chat = new Conversation(titan, { system: "x" });
    for (const content of ["hello", "on", "and on"]) {
      await chat.save(path);
      // Another model, of the same weights.
      const other = await Conversation.load(await openChatModel(workspace, options), path);
      expect(other.messages).toEqual(chat.messages);
      expect(other.seen).toBe(chat.seen);
      const hot = { temperature: 1.5, seed: 3, maxNewTokens: 10 };
      expect(await say(other, content, hot)).toEqual(await say(chat, content, hot));
    }
  });

  test("only where it is one", async () => {
    const workspace = await chatWorkspace();
    const titan = await openChatModel(workspace);
    const path = join(workspace.folder, "state.safetensors");
    const decoder = titan.decoder();
    await decoder.read([[1, 2, 3]]);
    const conversation = (input_ids: number[], messages: unknown = []) =>
      JSON.stringify({ messages, input_ids, prompt: "", answer: "" });
    const cases: [Record<string, string>, string][] = [
      [{}, "state.safetensors: holds a decoder's state without a conversation"],
      [{ conversation: "[" }, "conversation: is not valid JSON"],
      [
        { conversation: conversation([1, 2, 3], [{ text: "a" }]) },
        "conversation: messages.0.role: is missing",
      ],
      [{ conversation: conversation([1, 2]) }, "input_ids: holds 2 tokens, of which 3 are read"],
      [{ conversation: conversation([1, 2, 3, 4, 5]) }, "input_ids: holds 5 tokens, of which 3 are read"],
      [{ conversation: conversation([1, 2, 3, 96]) }, "input_ids: holds 96, expected tokens below 96"],
    ];
    for (const [metadata, problem] of cases) {
      await titan.saveDecoder(path, decoder, metadata);
      await expect(Conversation.load(titan, path)).rejects.toThrow(problem);
    }
  });
});
