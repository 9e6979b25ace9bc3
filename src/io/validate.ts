import type { z } from "zod";
import { InputError } from "../errors.js";
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
