import { z } from "zod";
import { InputError } from "../errors.js";
import { isObject, type JsonObject } from "./json-file.js";
import { shown } from "./json-text.js";

/**
 * Checks data from outside against a schema.
 *
 * @param where the file or option that the data came from, for the error.
 * @throws InputError naming the first field that does not fit, what it holds and what was expected.
 */
export function parseWith<T>(schema: z.ZodType<T>, data: unknown, where: string): T {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  const found = path.reduce<unknown>(
    (node, key) => (node as Record<PropertyKey, unknown> | undefined)?.[key],
    data,
  );
  const field = path.length > 0 ? `${where}: ${path.join(".")}` : where;
  throw new InputError(field, `is ${shown(found)}; ${message}`);
}

/**
 * An object whose fields are named by whoever made it, as a map: `z.record` passes over a field called `__proto__`, and what is
 * listed there would not be checked.
 */
export const mapOf = <T>(name: z.ZodType<string>, value: z.ZodType<T>) =>
  z.custom<JsonObject>(isObject, "expected an object").transform((fields, context) => {
    const checked = new Map<string, T>();
    for (const [key, field] of Object.entries(fields)) {
      const [named, found] = [name.safeParse(key), value.safeParse(field)];
      for (const { path, message } of [...(named.error?.issues ?? []), ...(found.error?.issues ?? [])])
        context.addIssue({ code: "custom", path: [key, ...path], message });
      if (found.success) checked.set(key, found.data);
    }
    return checked;
  });
