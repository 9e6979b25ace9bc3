/** `snake_case` as camelCase, in a type. */
export type CamelCase<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : S;

/** The fields of a file under the names that they have in code. */
export type CamelFields<T> = { readonly [K in keyof T as K extends string ? CamelCase<K> : K]: T[K] };

/** `camelCase` as snake_case. */
export const snakeCase = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Fields of a file (snake_case) as properties (camelCase); the values stay. */
export function camelFields<T extends object>(fields: T): CamelFields<T> {
  const camel = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [camel(name), value]),
  ) as CamelFields<T>;
}

/**
 * Properties (camelCase) as the fields of a file (snake_case), records inside included. One that is undefined is not
 * given.
 *
 * @param verbatim properties whose values keep their own keys.
 */
export function snakeFields(properties: object, verbatim: ReadonlySet<string>): Record<string, unknown> {
  const isRecord = (value: unknown): value is object =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  return Object.fromEntries(
    Object.entries(properties)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [
        snakeCase(name),
        isRecord(value) && !verbatim.has(name) ? snakeFields(value, verbatim) : value,
      ]),
  );
}
