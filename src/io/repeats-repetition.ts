/**
 * Whether a regular expression repeats without end what is itself a repetition or a choice, as `(a+)+` and `(?:a|ab)*`
 * do. Only such expressions can take time that grows exponentially with the text; many of them do not, and are meant
 * here all the same.
 */
export function repeatsRepetition(pattern: string): boolean {
  /** For each open group: whether it holds a repetition or a choice. */
  const open: boolean[] = [false];
  /** The same of the group that ended just now; undefined when something else did. */
  let closed: boolean | undefined;
  for (const [part] of pattern.matchAll(/\\.|\[(?:\\.|[^\]\\])*\]|\{\d+(?:,\d*)?\}|./gsu)) {
    if (part === "*" || part === "+" || /^\{\d+,\}$/.test(part)) {
      if (closed) return true;
      open[open.length - 1] = true;
    } else if (part === "|") open[open.length - 1] = true;
    const ended = part === ")" && open.length > 1 ? open.pop() : undefined;
    if (part === "(") open.push(false);
    if (ended) open[open.length - 1] = true;
    closed = ended;
  }
  return false;
}
