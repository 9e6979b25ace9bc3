import { type Command, Option } from "commander";
import { z } from "zod";
import { InputError } from "../errors.js";
import { parseWith } from "../io/validate.js";

/**
 * The options of a command by name in snake_case: type, default and help in one schema. The command line's flags, the
 * check of a config file and the help text all come from it.
 */
export type OptionTable = Readonly<Record<string, z.ZodType>>;

/** An option's value, when it is given or has a default. */
export type Values<T extends OptionTable> = { readonly [K in keyof T]: z.output<T[K]> };

/** The options that were given, checked; defaults are not filled in. */
export type Given<T extends OptionTable> = {
  readonly [K in keyof T]?: Exclude<z.output<T[K]>, undefined>;
};

/** A file or folder. */
export const path = () => z.string().min(1, "expected a path").meta({ placeholder: "path" });

/** Files, folders or patterns: an option that may be given several times; a config file has a list. */
export const paths = () =>
  z.preprocess(
    (value) => (typeof value === "string" ? [value] : value),
    z.array(path()).min(1).meta({ placeholder: "path", repeated: true }),
  );

/** A share, 0..1. */
export const share = () =>
  z.number().min(0, "expected a number from 0 to 1").max(1, "expected a number from 0 to 1");

/** True when the flag is there. */
export const flag = () => z.boolean().default(false);

/** A value that may be given several times; a config file has a list. */
export const repeated = <T extends z.ZodType>(value: T) =>
  z.preprocess(
    (given) => (typeof given === "string" ? [given] : given),
    z.array(value).meta({ ...value.meta(), repeated: true }),
  );

/** Names with commas between them; a config file may have a list. */
export const names = () =>
  z.preprocess(
    (value) => (typeof value === "string" ? value.split(",").map((name) => name.trim()) : value),
    z.array(z.string().min(1, "expected names with commas between them")),
  );

/**
 * Numbers with commas between them; a config file may have a list.
 *
 * @param expected what an error says they should be: `whole numbers of at least 1`.
 */
export const numbers = (item: z.ZodNumber, expected: string) => {
  const list = z.array(item).min(1);
  return z
    .preprocess(
      (value) =>
        typeof value === "string" ? value.split(",").map((part) => Number(part.trim() || "x")) : value,
      // As one value: an error names all that was given.
      z.custom<number[]>(
        (value) => list.safeParse(value).success,
        `expected ${expected} with commas between them`,
      ),
    )
    .meta({ placeholder: "numbers" });
};

/** `learning_rate` -> `--learning-rate` */
export const flagOf = (name: string): string => `--${name.replaceAll("_", "-")}`;

/** Adds a table's options to a command. */
export function addOptions(command: Command, table: OptionTable): void {
  for (const [name, schema] of Object.entries(table)) {
    const type = innermost(schema);
    const isFlag = type instanceof z.ZodBoolean;
    const { placeholder = placeholderOf(type), repeated } = { ...type.meta(), ...schema.meta() };
    const option = new Option(isFlag ? flagOf(name) : `${flagOf(name)} <${placeholder}>`, helpOf(schema));
    if (repeated) option.argParser((value, before: string[] = []) => [...before, value]);
    command.addOption(option);
    if (isFlag) command.addOption(new Option(flagOf(`no_${name}`)).hideHelp());
  }
}

/** The options that the command line gives. @throws InputError naming the flag that is wrong. */
export function fromCommandLine<T extends OptionTable>(table: T, parsed: Record<string, unknown>): Given<T> {
  const fields: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(table)) {
    const value = parsed[name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())];
    const isNumber = innermost(schema) instanceof z.ZodNumber && value !== "" && !Number.isNaN(Number(value));
    if (value !== undefined) fields[name] = isNumber ? Number(value) : value;
  }
  return checked(table, fields, flagOf);
}

/**
 * Checks options one by one.
 * @param where what a name is called at the place that the options come from, for errors.
 */
export function checked<T extends OptionTable>(
  table: T,
  fields: Readonly<Record<string, unknown>>,
  where: (name: string) => string,
): Given<T> {
  const values = Object.entries(fields).map(([name, value]) => [
    name,
    parseWith(table[name]!, value, where(name)),
  ]);
  return Object.fromEntries(values) as Given<T>;
}

/** Fills in the defaults. @throws InputError naming an option that has none and was not given. */
export function complete<T extends OptionTable>(table: T, given: Given<T>): Values<T> {
  const values = Object.entries(table).map(([name, schema]) => {
    if (given[name] !== undefined) return [name, given[name]];
    const result = schema.safeParse(undefined);
    if (!result.success) throw new InputError(flagOf(name), `is missing; give ${schema.description}`);
    return [name, result.data];
  });
  return Object.fromEntries(values) as Values<T>;
}

/** The fields that have a value. */
export function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function helpOf(schema: z.ZodType): string {
  const type = innermost(schema);
  const { success, data } = schema.safeParse(undefined);
  const details = [
    ...(type instanceof z.ZodEnum ? [type.options.join(", ")] : []),
    ...(success && data !== undefined && data !== false ? [`default: ${data}`] : []),
  ];
  return `${schema.description ?? ""}${details.length > 0 ? ` (${details.join("; ")})` : ""}`;
}

function placeholderOf(type: z.ZodType): string {
  if (type instanceof z.ZodNumber) return "n";
  if (type instanceof z.ZodArray) return "names";
  return type instanceof z.ZodEnum ? "name" : "text";
}

/** The schema inside of defaults, optionality and preparations. */
function innermost(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) {
    return innermost(schema.unwrap() as z.ZodType);
  }
  return schema instanceof z.ZodPipe ? innermost(schema.out as z.ZodType) : schema;
}
