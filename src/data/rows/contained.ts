/** How many calls are under way. */
let running = 0;

/** Errors that the library was handed, and may forget as it does its own. */
const handedOver = new WeakSet<Error>();

/** A promise for the library to wait for, or not. */
export async function handOver<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof Error) handedOver.add(error);
    throw error;
  }
}

/** A rejection that nobody waits for is the library's to forget; any other ends the process, as always. */
function forget(reason: unknown): void {
  if (reason instanceof Error && (handedOver.has(reason) || reason.stack?.includes("hyparquet"))) return;
  throw reason;
}

/**
 * Calls hyparquet, which reads columns side by side: when one of a broken file fails, it leaves the promises of others
 * without anyone to wait for them, and Node would end the process.
 *
 * @param pending what is still being read from the file.
 */
export async function contained<T>(
  read: () => Promise<T>,
  pending: () => readonly Promise<unknown>[],
): Promise<T> {
  if (running++ === 0) process.on("unhandledRejection", forget);
  try {
    return await read();
  } finally {
    await Promise.allSettled(pending());
    // Rejections are told after the promises that are due now.
    setImmediate(() => {
      if (--running === 0) process.off("unhandledRejection", forget);
    });
  }
}
