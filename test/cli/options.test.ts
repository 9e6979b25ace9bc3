import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { addOptions, complete, flag, fromCommandLine, names, path, paths } from "../../src/cli/options.js";

const table = {
  model: path().describe("a model"),
  max_steps: z.int("expected a whole number").positive("expected at least 1").optional().describe("steps"),
  rate: z.number().default(5e-4).describe("how fast"),
  kind: z.enum(["a", "b"]).default("a").describe("what kind"),
  target_names: names().optional().describe("where"),
  fast: flag().describe("be quick"),
  data: paths().optional().describe("what is read"),
};

/** What a command line gives. */
function parse(...argv: string[]) {
  const command = new Command("test");
  addOptions(command, table);
  command.parse(argv, { from: "user" });
  return fromCommandLine(table, command.opts());
}

test("the command line gives values of the declared types, and nothing that was not given", () => {
  expect(parse()).toEqual({});
  expect(
    parse("--max-steps", "7", "--rate=1e-3", "--kind", "b", "--target-names", "q_proj, v_proj", "--fast"),
  ).toEqual({ max_steps: 7, rate: 1e-3, kind: "b", target_names: ["q_proj", "v_proj"], fast: true });
  expect(parse("--no-fast")).toEqual({ fast: false });
  expect(parse("--model", "123")).toEqual({ model: "123" });
  expect(parse("--data", "a")).toEqual({ data: ["a"] });
  expect(parse("--data", "a", "--data", "b/*.json")).toEqual({ data: ["a", "b/*.json"] });
});

test.each([
  [["--max-steps", "0"], "--max-steps: is 0; expected at least 1"],
  [["--max-steps", "1.5"], "--max-steps: is 1.5; expected a whole number"],
  [["--max-steps", "many"], '--max-steps: is "many"; expected a whole number'],
  [["--rate", ""], '--rate: is ""; Invalid input: expected number, received string'],
  [["--kind", "c"], '--kind: is "c"; Invalid option: expected one of "a"|"b"'],
  [["--model", ""], '--model: is ""; expected a path'],
])("%j is refused by its name", (argv, message) => {
  expect(() => parse(...argv)).toThrow(message);
});

describe("complete", () => {
  test("fills in defaults", () => {
    expect(complete(table, { model: "m", rate: 1 })).toEqual({
      model: "m",
      max_steps: undefined,
      rate: 1,
      kind: "a",
      target_names: undefined,
      fast: false,
      data: undefined,
    });
  });

  test("asks for what has none", () => {
    expect(() => complete(table, {})).toThrow("--model: is missing; give a model");
  });
});

test("the help tells choices and defaults", () => {
  const command = new Command("test").configureHelp({ helpWidth: 100 });
  addOptions(command, table);
  expect(command.helpInformation().split("\n").slice(2, -2)).toEqual([
    "Options:",
    "  --model <path>          a model",
    "  --max-steps <n>         steps",
    "  --rate <n>              how fast (default: 0.0005)",
    "  --kind <name>           what kind (a, b; default: a)",
    "  --target-names <names>  where",
    "  --fast                  be quick",
    "  --data <path>           what is read",
  ]);
});
