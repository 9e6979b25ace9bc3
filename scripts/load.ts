import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { measure } from "./load/measure.js";

/*
 * npm run load: how a server bears more and more clients. It serves the embedded model, or another one:
 *
 *     npm run load -- --model gemma-3-270m.gguf --clients 1,8,32 --requests 64 -- --max-batch-size 4
 *
 * What stands after the second `--` goes to `tptt serve`.
 */

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: "string", default: here("../assets/tiny") },
    clients: { type: "string", default: "1,2,4,8,16,64,128" },
    requests: { type: "string", default: "64" },
    "max-tokens": { type: "string", default: "32" },
    prompt: { type: "string", default: "A memory that forgets nothing is of no use, because " },
  },
});

const serve = ["serve", "--json", "--port", "0", "--model", values.model];
const server = spawn(process.execPath, [here("../dist/cli/main.js"), ...serve, ...positionals], {
  stdio: ["ignore", "pipe", "inherit"],
});
try {
  const url = await listening();
  const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
  const load = { url, model: data[0]!.id, maxTokens: Number(values["max-tokens"]), prompt: values.prompt };
  // The first runs of a graph take longer: that is not what is measured.
  for (const clients of [8, 4, 2, 1]) await measure({ ...load, clients, requests: 2 * clients });
  console.log("| clients | answered | refused | p50 ms | p99 ms | first token ms | tokens/s | memory GB |");
  console.log("|---|---|---|---|---|---|---|---|");
  for (const clients of values.clients.split(",").map(Number)) {
    const requests = Math.max(Number(values.requests), 2 * clients);
    const { answered, refused, failed, p50, p99, firstToken, tokensPerSecond, residentBytes } = await measure(
      {
        ...load,
        clients,
        requests,
      },
    );
    if (failed > 0) throw new Error(`${failed} of ${requests} requests failed with ${clients} clients`);
    const figures = [p50, p99, firstToken, tokensPerSecond].map(Math.round);
    console.log(
      `| ${[clients, answered, refused, ...figures, (residentBytes / 1e9).toFixed(2)].join(" | ")} |`,
    );
  }
} finally {
  server.kill("SIGTERM");
}

/** Where the server listens, once it does. */
async function listening(): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("exit", (code) => reject(new Error(`tptt serve ended with ${code}`)));
    createInterface(server.stdout!).on("line", (line) => {
      const { event, url } = JSON.parse(line) as { event: string; url?: string };
      if (event === "listening" && url) resolve(url);
    });
  });
}
