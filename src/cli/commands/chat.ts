import { z } from "zod";
import { InputError } from "../../errors.js";
import { effectiveMagWeight } from "../../tptt/effective-mag-weight.js";
import { ChatSession } from "../chat/chat-session.js";
import { type Lines, openLines } from "../chat/lines.js";
import { eventsView, textView } from "../chat/views.js";
import { defineCommand } from "../command.js";
import { common, count, placing } from "../common-options.js";
import { dataOptions, useChatTemplate } from "../data-options.js";
import { observeHub } from "../hub-names.js";
import { heldAs, loadModel, placeOf } from "../load-model.js";
import { complete, defined } from "../options.js";
import { createReporter } from "../reporter.js";
import { samplingOptions, toSampling } from "../sampling-options.js";

const options = {
  model: common.model,
  system: z.string().optional().describe("how the model is to answer: a message before all others"),
  max_new_tokens: count()
    .optional()
    .describe("most tokens of an answer; without it, 512 or what the model can read"),
  ...samplingOptions,
  chat_template: dataOptions.chat_template,
  mag_weight: common.mag_weight,
  ...placing("gguf"),
  json: common.json,
};

export const chat = defineCommand({
  name: "chat",
  description: "Talks with a model, turn by turn: lines in, answers out; /help shows its commands.",
  options,
  async run(given, io) {
    const { json, system, max_new_tokens, ...values } = complete(options, given);
    const reporter = createReporter({ ...io, json });
    const hubObserver = observeHub(reporter);
    const model = await loadModel(values.model, values.mag_weight, { ...heldAs(values), hubObserver });
    try {
      await useChatTemplate(model.requireTokenizer(), values);
      const session = new ChatSession(model, json ? eventsView(reporter) : textView(io, reporter), {
        system,
        reply: { ...toSampling(values), ...defined({ maxNewTokens: max_new_tokens }) },
        onInterrupt: io.onInterrupt,
      });
      if (io.stdin.isTTY) reporter.note("/help shows the commands");
      let failed = false;
      const lines = openLines(io);
      try {
        while (!session.ended) {
          const line = await nextMessage(lines);
          if (line === undefined) break;
          try {
            await session.take(line);
          } catch (error) {
            if (!(error instanceof InputError)) throw error;
            failed = true;
            if (json) reporter.event("error", { message: error.message });
            else reporter.note(`tptt: ${error.message}`);
          }
        }
      } finally {
        lines.close();
      }
      const { totals } = session;
      if (json) reporter.done({ ...totals, mag_weight: effectiveMagWeight(model), ...placeOf(model) });
      // A person has seen what went wrong; a program that went on looks at the exit code.
      return failed && !io.stdin.isTTY ? 2 : 0;
    } finally {
      reporter.close();
      await model.dispose();
    }
  },
});

/** The next line, with those that follow a backslash at its end. */
async function nextMessage(lines: Lines): Promise<string | undefined> {
  let line = await lines.next("> ");
  while (line?.endsWith("\\")) line = `${line.slice(0, -1)}\n${(await lines.next("… ")) ?? ""}`;
  return line;
}
