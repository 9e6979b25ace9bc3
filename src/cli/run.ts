import { Command, CommanderError } from "commander";
import { InputError } from "../errors.js";
import type { CliCommand, CliIo } from "./command.js";
import { adapter } from "./commands/adapter.js";
import { card } from "./commands/card.js";
import { chat } from "./commands/chat.js";
import { compare } from "./commands/compare.js";
import { data } from "./commands/data.js";
import { demo } from "./commands/demo.js";
import { evaluate } from "./commands/eval.js";
import { generate } from "./commands/generate.js";
import { inspect } from "./commands/inspect.js";
import { merge } from "./commands/merge.js";
import { plot } from "./commands/plot.js";
import { push } from "./commands/push.js";
import { serve } from "./commands/serve.js";
import { train } from "./commands/train.js";
import { readConfigFile } from "./config-file.js";
import { addOptions, fromCommandLine } from "./options.js";
import { version } from "./version.js";

const commands: readonly CliCommand[] = [
  demo,
  inspect,
  data,
  train,
  generate,
  chat,
  evaluate,
  plot,
  compare,
  serve,
  card,
  merge,
  adapter,
  push,
];

/**
 * Runs the `tptt` command.
 *
 * @param argv its arguments, without those of Node.
 * @returns the exit code: 0; 2 for bad input, told in one line; 1 for a bug, with its stack; 130 after an interruption.
 */
export async function run(argv: readonly string[], io: CliIo): Promise<number> {
  let exitCode = 0;
  const program = new Command("tptt")
    .description(
      "Turns a pretrained transformer into a Titan: linear-attention memory beside softmax attention.",
    )
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: () => {}, // Told below, as every other error.
    });
  for (const command of commands) {
    const { name, description, options, operands } = command;
    const subcommand = program.command(name).description(description);
    addOptions(subcommand, options);
    if (typeof operands === "string") subcommand.argument(`[${operands}...]`);
    else for (const operand of operands ?? []) subcommand.argument(`[${operand}]`);
    subcommand
      .option("--config <path>", "YAML file of these options, in snake_case; the command line wins")
      .action(async () => {
        const { config, ...parsed } = subcommand.opts<Record<string, unknown>>();
        const { args } = subcommand;
        if (typeof operands === "string" && args.length > 0) parsed[operands] = args;
        else if (typeof operands === "object") {
          for (const [i, arg] of args.entries()) parsed[operands[i]!] = arg;
        }
        const note = (text: string) => io.stderr.write(`tptt: ${text}\n`);
        const fromFile = typeof config === "string" ? await readConfigFile(config, options, note) : {};
        const given = { ...fromFile, ...fromCommandLine(options, parsed) };
        exitCode = (await command.run(given, io)) ?? 0;
      });
  }
  try {
    await program.parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0; // --help, --version
    if (error instanceof CommanderError && error.code === "commander.help") return 2; // Shown for lack of a command.
    io.stderr.write(`${describe(error)}\n`);
    return error instanceof CommanderError || error instanceof InputError ? 2 : 1;
  }
}

function describe(error: unknown): string {
  if (error instanceof CommanderError) {
    const [problem, ...hint] = error.message.replace(/^error: /, "").split("\n");
    return `tptt: ${[problem, ...hint].join(" ")}; see tptt --help`;
  }
  if (error instanceof InputError) return `tptt: ${error.message.replaceAll(/\s*\n\s*/g, " ")}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
