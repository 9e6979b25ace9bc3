import type { Reader } from "./sample.js";
import { sample } from "./sample.js";

/** A reader that does something that none may do, with any file but the sound one. */
const planted = (name: string, fault: () => unknown): Reader => ({
  name,
  samples: async (root) => {
    let reads = 0;
    const read = async () => {
      if (reads++ > 0) await fault();
    };
    return [await sample(root, { file: "file.txt", bytes: "text", mutate: (bytes) => bytes, read })];
  },
});

const kept: unknown[] = [];

/** What the fuzzer has to find. */
export const readers: readonly Reader[] = [
  planted("error", () => {
    throw new TypeError("planted");
  }),
  planted("exit", () => process.abort()),
  planted("rejection", () => {
    Promise.reject(new Error("nobody waits"));
    return new Promise((resolve) => setTimeout(resolve, 50));
  }),
  planted("waiting", () => new Promise(() => {})),
  planted("slow", () => {
    // Of the processor's time, which is what counts: others may be using it as well.
    for (const start = process.cpuUsage(); process.cpuUsage(start).user < 1_300_000; );
  }),
  planted("buffers", () => new Float32Array(2 ** 26)),
  planted("heap", () => {
    for (let i = 0; i < 200; i++) kept.push(Array.from({ length: 2 ** 16 }, () => ({ i })));
  }),
  planted("nothing", () => {}),
];
