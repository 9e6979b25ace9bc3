import { runtime } from "#dist/engine/runtime-node.js";

/** Makes every session of this process write ONNX Runtime's profile, to files that begin with `prefix`. */
export function profileSessions(prefix: string): void {
  const createSession = runtime.createSession.bind(runtime);
  runtime.createSession = (model, storage, options) =>
    createSession(model, storage, { ...options, profile: prefix });
}
