import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { Conversation } from "../../../src/tptt/conversation.js";
import { TpttModel } from "../../../src/tptt/tptt-model.js";
import { chatWorkspace, letterTemplate } from "../../tptt/chatting.js";
import { openWorkspace, tptt } from "../workspace.js";

const main = fileURLToPath(new URL("../../../src/cli/main.js", import.meta.url));

/** A chat over lines. */
const talk = (model: string, lines: readonly string[], ...options: string[]) =>
  tptt(["chat", "--model", model, "--max-new-tokens", "6", ...options], undefined, lines);

/** What the library answers. */
async function answers(folder: string, system: string | undefined, ...said: string[]): Promise<string[]> {
  const model = await TpttModel.fromPretrained(folder, { disableLinearAttn: true });
  const chat = new Conversation(model, { system });
  const texts: string[] = [];
  for (const content of said) {
    let text = "";
    for await (const piece of chat.reply(content, { maxNewTokens: 6 })) text += piece;
    texts.push(text);
  }
  await model.dispose();
  return texts;
}

test("lines come in, answers go out, each at its line; all else is on stderr", async () => {
  const { model } = await chatWorkspace();
  const expected = await answers(model, "be brief", "hello", "on\nand on", " /help");
  const lines = ["hello", "", "on\\", "and on", " /help"];
  const { code, stdout, stderr } = await talk(model, lines, "--system", "be brief");
  expect(stdout).toBe(expected.map((text) => `${text}\n`).join(""));
  expect({ code, stderr }).toEqual({ code: 0, stderr: "(cut off after 6 tokens)\n".repeat(3) });
});

test("events tell what was read and written", async () => {
  const { model } = await chatWorkspace();
  const [first, second] = await answers(model, undefined, "hello", "on");
  const { code, stderr, events } = await talk(model, ["hello", "on"], "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const told = events();
  expect(told.filter(({ event }) => event !== "text")).toMatchObject([
    { event: "read", tokens: 24, anew: false },
    { event: "reply", text: first, finish_reason: "length", tokens: 6, seen: 29 },
    { event: "read", tokens: 22, anew: false },
    { event: "reply", text: second, finish_reason: "length", tokens: 6, seen: 56 },
    { event: "done", turns: 2, tokens: 12, mag_weight: 0, device: "cpu", dtype: "f32" },
  ]);
  const pieces = told.filter(({ event }) => event === "text").map(({ text }) => text);
  expect(pieces.join("")).toBe(`${first}${second}`);
});

test("a conversation that is read again is told", async () => {
  const { model } = await chatWorkspace(
    letterTemplate.replace("m.content", "(m.content if loop.last else '..')"),
  );
  const { code, stderr } = await talk(model, ["hello", "on"]);
  expect(code).toBe(0);
  expect(stderr).toContain("the template writes what was said otherwise now: it is read again\n");
});

test("a seed fixes what is drawn", async () => {
  const { model } = await chatWorkspace();
  const hot = ["--temperature", "2", "--top-k", "50", "--top-p", "0.95", "--seed"];
  const first = (await talk(model, ["hello", "on"], ...hot, "1")).stdout;
  expect((await talk(model, ["hello", "on"], ...hot, "1")).stdout).toBe(first);
  expect((await talk(model, ["hello", "on"], ...hot, "2")).stdout).not.toBe(first);
});

test("an interruption stops the reading of a long message, which counts as not said", async () => {
  const { model } = await chatWorkspace();
  const [first, second] = await answers(model, undefined, "hello", "on");
  const command = ["chat", "--model", model, "--max-new-tokens", "6"];
  const lines = ["hello", "long ".repeat(120), "on"];
  const stopLong = (text: string, interrupt: () => void) => {
    const { event, tokens } = JSON.parse(text);
    if (event === "read" && tokens > 256) interrupt();
  };
  const { code, events } = await tptt([...command, "--json"], stopLong, lines);
  expect(code).toBe(0);
  const replies = events().filter(({ event }) => event === "reply");
  expect(replies).toMatchObject([
    { text: first, finish_reason: "length", seen: 29 },
    { text: "", finish_reason: "unread", tokens: 0, seen: 29 },
    { text: second, finish_reason: "length", seen: 56 },
  ]);
  expect(events().at(-1)).toMatchObject({ event: "done", turns: 2, tokens: 12 });
});

describe("commands:", () => {
  test("/reset forgets all but the system prompt", async () => {
    const { model } = await chatWorkspace();
    const [first, second] = await answers(model, "x", "hello", "on");
    const { stdout, stderr } = await talk(model, ["hello", "/reset", "hello", "on"], "--system", "x");
    expect(stdout).toBe(`${first}\n${first}\n${second}\n`);
    expect(stderr).toContain("forgotten\n");
  });

  test("/exit leaves, whatever follows", async () => {
    const { model } = await chatWorkspace();
    const [first] = await answers(model, undefined, "hello");
    expect(await talk(model, ["hello", "/exit", "on"])).toMatchObject({ code: 0, stdout: `${first}\n` });
  });

  test("/help shows them all", async () => {
    const { model } = await chatWorkspace();
    const { stdout, stderr } = await talk(model, ["/help"]);
    expect(stdout).toBe("");
    for (const form of ["/reset ", "/save FILE ", "/load FILE ", "/help ", "/exit "])
      expect(stderr).toContain(form);
  });

  test("what goes wrong is told, the chat goes on, and the exit code tells it too", async () => {
    const { model, folder } = await chatWorkspace();
    const [first, second] = await answers(model, undefined, "hello", "on");
    const path = join(folder, "talk.safetensors");
    await talk(model, ["hello", `/save ${path}`]);
    const { length } = await readFile(path);
    await truncate(path, length - 1);
    const wrong = [
      ["/nope", "/nope: is no command; /help shows them"],
      ["/save", "/save: is given alone, expected /save FILE"],
      ["/reset now", "/reset: is given now, expected /reset alone"],
      [`/load ${folder}/none`, `${folder}/none: does not exist; check the path`],
      [`/load ${path}`, `${path}: tensor`],
      [
        `/save ${folder}/none/x`,
        `${folder}/none/x: cannot be written: its folder does not exist; make it, or check the path`,
      ],
    ] as const;
    const lines = ["hello", ...wrong.map(([line]) => line), "on"];
    const { code, stdout, stderr } = await talk(model, lines);
    expect({ code, stdout }).toEqual({ code: 2, stdout: `${first}\n${second}\n` });
    for (const [, problem] of wrong) expect(stderr).toContain(`tptt: ${problem}`);
    const errors = (await talk(model, lines, "--json")).events().filter(({ event }) => event === "error");
    expect(errors.map(({ message }) => message)).toEqual(
      wrong.map(([, problem]) => expect.stringContaining(problem)),
    );
  });

  test("/load refuses the state of a model at another mu, and keeps the conversation", async () => {
    const { model, folder } = await chatWorkspace();
    const path = join(folder, "talk.safetensors");
    await talk(model, ["hello", `/save ${path}`], "--mag-weight", "0.5");
    const [, second] = await answers(model, undefined, "hello", "on");
    const { code, stdout, stderr } = await talk(model, ["hello", `/load ${path}`, "on"]);
    expect(code).toBe(2);
    expect(stdout).toMatch(new RegExp(`\n${second!.replaceAll(/\W/g, "\\$&")}\n$`));
    expect(stderr).toContain(
      `${path}: mag_weights: is [0.5,0.5], this model's is off: the state is another model's; set mag_weight`,
    );
  });
});

test("a template of the user's own takes the place of the model's", async () => {
  const { model, write } = await openWorkspace();
  const command = ["chat", "--model", model, "--max-new-tokens", "6"];
  expect(await tptt(command, undefined, ["hello"])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      /^tptt: .*base: chat_template: is missing, .* give a Jinja file as chat_template\n$/,
    ),
  });
  const file = await write("own.jinja", letterTemplate);
  const given = await tptt([...command, "--chat-template", file], undefined, ["hello"]);
  await write("base/chat_template.jinja", letterTemplate);
  expect(given.code).toBe(0);
  expect(given.stdout).toBe(`${(await answers(model, undefined, "hello"))[0]}\n`);
});

describe("in processes of their own", () => {
  function start(model: string, ...options: string[]) {
    const args = [
      "--conditions=source",
      "--import",
      "tsx",
      main,
      "chat",
      "--model",
      model,
      "--json",
      ...options,
    ];
    const child = spawn(process.execPath, args);
    onTestFinished(() => void child.kill("SIGKILL"));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    /** The next event of a name. */
    const event = async (name: string): Promise<Record<string, unknown>> => {
      for (;;) {
        const { value, done } = await lines.next();
        if (done) throw new Error(`the chat ended without ${name}`);
        const fields = JSON.parse(value) as Record<string, unknown>;
        if (fields.event === name) return fields;
      }
    };
    return { child, event, say: (text: string) => child.stdin.write(`${text}\n`) };
  }

  const ended = async (child: ChildProcess): Promise<number> => (await once(child, "close"))[0];

  test("a conversation goes on after a restart with the same tokens", async () => {
    const { model, folder } = await chatWorkspace();
    const path = join(folder, "talk.safetensors");
    const options = ["--mag-weight", "0.5", "--max-new-tokens", "8", "--temperature", "1.5"];
    const before = start(model, ...options);
    for (const line of ["hello", "on", `/save ${path}`, "and on"]) before.say(line);
    await before.event("save");
    const expected = await before.event("reply");
    before.child.stdin.end();
    expect(await ended(before.child)).toBe(0);

    const after = start(model, ...options);
    after.child.stdin.end(`/load ${path}\nand on\n`);
    expect(await after.event("load")).toMatchObject({ messages: 4 });
    expect(await after.event("read")).toMatchObject({ anew: false, tokens: 26 });
    const { text, seen } = await after.event("reply");
    expect({ text, seen }).toEqual({ text: expected.text, seen: expected.seen });
    expect(await ended(after.child)).toBe(0);
  });

  test("an interruption stops an answer, and the next one leaves", async () => {
    const { model } = await chatWorkspace();
    const { child, event, say } = start(model, "--mag-weight", "1", "--max-new-tokens", "1000000");
    // Two interruptions within a tenth of a second are one: a terminal sends it to a process and to the one that started it.
    const interrupt = async () => {
      await new Promise((resolve) => setTimeout(resolve, 150));
      child.kill("SIGINT");
    };
    say("hello");
    await event("text");
    await interrupt();
    expect((await event("reply")).finish_reason).toBe("aborted");
    say("on");
    // The last token of the answer, what the template writes after it, and the new message.
    const tokens = 1 + 1 + "[user]on".length + 1 + "[assistant]".length;
    expect(await event("read")).toMatchObject({ tokens, anew: false });
    await interrupt();
    await event("reply");
    await interrupt();
    expect(await ended(child)).toBe(130);
  });
});
