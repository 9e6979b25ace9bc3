/**
 * Python's `convert_sets_to_lists`: the same value with lists in the place of sets, at any depth of objects and lists:
 * what JSON can hold. Sets come from PEFT's habit of keeping target modules in one.
 */
export function convertSetsToLists(value: unknown): unknown {
  if (value instanceof Set || Array.isArray(value))
    return Array.from<unknown, unknown>(value, convertSetsToLists);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, convertSetsToLists(item)]));
}
