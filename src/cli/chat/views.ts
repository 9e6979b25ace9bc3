import type { CliIo } from "../command.js";
import type { Reporter } from "../reporter.js";
import type { ChatView } from "./chat-session.js";

/** A chat as events, one JSON object a line. */
export const eventsView = (reporter: Reporter): ChatView => ({
  reading: () => {},
  readingEnded: () => {},
  text: (text) => reporter.event("text", { text }),
  replied: ({ text, finishReason, tokens, tokensPerSecond }, seen) =>
    reporter.event("reply", {
      text,
      finish_reason: finishReason,
      tokens,
      tokens_per_second: tokensPerSecond,
      seen,
    }),
  told: (event, fields) => reporter.event(event, fields),
});

/** A chat as text: answers on stdout, each ending with a line feed; all else on stderr, with a bar for a person who waits. */
export const textView = (
  { stdout, stderr }: Pick<CliIo, "stdout" | "stderr">,
  reporter: Reporter,
): ChatView => ({
  reading: (tokens, total) => {
    if (stderr.isTTY && tokens < total) reporter.progress(tokens, total, {});
  },
  readingEnded: () => reporter.close(),
  text: (text) => stdout.write(text),
  replied: ({ finishReason, tokens }) => {
    if (finishReason === "unread") {
      reporter.note("(stopped: the message was not read, and is forgotten)");
      return;
    }
    stdout.write("\n");
    if (finishReason === "length") reporter.note(`(cut off after ${tokens} tokens)`);
    if (finishReason === "aborted") reporter.note("(stopped)");
  },
  told: (_event, _fields, note) => {
    if (note) reporter.note(note);
  },
});
