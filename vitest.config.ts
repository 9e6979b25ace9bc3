import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = fileURLToPath(new URL("src/", import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: "#runtime", replacement: `${source}engine/runtime-node.ts` },
      { find: "#time-limit", replacement: `${source}io/time-limit-node.ts` },
      { find: "#hub", replacement: `${source}io/hub/hub-node.ts` },
      { find: /^#dist\/(.*)\.js$/, replacement: `${source}$1.ts` },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/setup.ts"],
    testTimeout: 60_000,
    // No test asks the real hub, or reads the cache and the token of who runs it.
    env: { HF_HUB_OFFLINE: "1", HF_HOME: "/nonexistent/huggingface", HF_TOKEN: "" },
    pool: "forks",
    maxWorkers: 2,
  },
});
