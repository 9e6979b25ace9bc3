/**
 * Bad input: a file, a field or an option that the user can mend. The command line prints `message` as one line
 * and exits with code 2; every other error is a bug and keeps its stack.
 *
 * The message has the form `where: what was found, what was expected; what to do`, and `where` names the file
 * (and the field or tensor inside it) or the option.
 */
export class InputError extends Error {
  override readonly name = "InputError";
  readonly where: string;

  constructor(where: string, problem: string, options?: ErrorOptions) {
    super(`${where}: ${problem}`, options);
    this.where = where;
  }
}

/** The code of an error of the operating system (`ENOENT`, ..), or of Node; undefined when it has none. */
export const errorCode = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : undefined;
