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

/** Whether an error says that a disk is full, or one's share of it. */
export const isDiskFull = (error: unknown): boolean =>
  ["ENOSPC", "EDQUOT"].includes(String(errorCode(error))) ||
  (error instanceof InputError && isDiskFull(error.cause));

/** Why a path cannot be written, and what to do, by the code of the operating system's error. */
const writeProblems: Readonly<Record<string, string>> = {
  ENOSPC: "its disk is full; free some space",
  ENOENT: "its folder does not exist; make it, or check the path",
  ENOTDIR: "a file is in the place of its folder; check the path",
  EISDIR: "it is a folder; check the path",
  EACCES: "permission denied; check who may write there",
  EPERM: "permission denied; check who may write there",
  EROFS: "its disk is read-only; give another place",
};

/** What went wrong with writing to a path, as an {@link InputError} for the causes that the user can mend. */
export const writeError = (path: string, error: unknown): unknown => {
  const code = isDiskFull(error) ? "ENOSPC" : String(errorCode(error));
  const problem = Object.hasOwn(writeProblems, code) ? writeProblems[code] : undefined;
  return problem ? new InputError(path, `cannot be written: ${problem}`, { cause: error }) : error;
};

/** The code of an error of the operating system (`ENOENT`, ..), or of Node; undefined when it has none. */
export const errorCode = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : undefined;
