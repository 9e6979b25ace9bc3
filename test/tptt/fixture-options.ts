/** Options of Python, as a fixture has them, in our names. */
export const camelCase = (options: object): object =>
  Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );
