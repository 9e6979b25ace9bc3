import { expect, test } from "vitest";
import { ChatSession } from "../../../src/cli/chat/chat-session.js";
import { textView } from "../../../src/cli/chat/views.js";
import { createReporter } from "../../../src/cli/reporter.js";
import { chatWorkspace, openChatModel } from "../../tptt/chatting.js";
import { Sink, screen } from "../terminal.js";

const long = "long ".repeat(120);

/** Says something long, and stops the reading after some blocks; 0: never. */
async function readLong(isTTY: boolean, stopAfter = 0) {
  const [stdout, stderr] = [new Sink(isTTY), new Sink(isTTY)];
  const reporter = createReporter({ json: false, stdout, stderr });
  const view = textView({ stdout, stderr }, reporter);
  const shown: string[][] = [];
  let stop = () => {};
  const session = new ChatSession(
    await openChatModel(await chatWorkspace()),
    {
      ...view,
      reading: (tokens, total) => {
        view.reading(tokens, total);
        shown.push(screen(stderr.text));
        if (shown.length === stopAfter) stop();
      },
    },
    {
      system: undefined,
      reply: { maxNewTokens: 6 },
      onInterrupt: (interrupt) => {
        stop = interrupt;
        return () => {};
      },
    },
  );
  await session.take(long);
  return { shown, stdout: stdout.text, stderr };
}

test("a person sees a bar while a long message is read, and nothing of it afterwards", async () => {
  const { shown, stdout, stderr } = await readLong(true);
  expect(shown[0]).toEqual(["(reading 619 tokens)", expect.stringMatching(/^\[=+-+\] 256\/619$/)]);
  expect(stdout).toMatch(/^.+\n$/s);
  expect(screen(stderr.text)).toEqual(["(reading 619 tokens)", "(cut off after 6 tokens)"]);
});

test("a reading that is stopped takes its bar along, and is told", async () => {
  const { shown, stdout, stderr } = await readLong(true, 1);
  expect(shown).toHaveLength(1);
  expect(stdout).toBe("");
  expect(screen(stderr.text)).toEqual([
    "(reading 619 tokens)",
    "(stopped: the message was not read, and is forgotten)",
  ]);
});

test("without a terminal there is no bar", async () => {
  const { stderr } = await readLong(false);
  expect(stderr.text).toBe("(reading 619 tokens)\n(cut off after 6 tokens)\n");
});
