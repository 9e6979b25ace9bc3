/**
 * Resolves once what has come in is handled: input, signals, connections that ended. ONNX Runtime holds up the thread while it
 * runs, so that what came meanwhile is not known of when a run is over.
 */
export const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    // Node's timers may run before its input is looked at; browsers have no setImmediate.
    if (typeof setImmediate === "function") setImmediate(resolve);
    else setTimeout(resolve);
  });
