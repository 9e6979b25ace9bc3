/** Does one piece of work with llama.cpp: llama-worker.js WORK. The package lies where setup.sh puts it. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { serve } from "./serve.js";
import { type Prepared, type Result, shortPrompt, time, tokenIds, type Work } from "./work.js";

/** What is used of node-llama-cpp. */
interface LlamaModule {
  getLlama(options: object): Promise<{
    loadModel(options: { modelPath: string }): Promise<{
      createContext(options: object): Promise<{ getSequence(): Sequence }>;
    }>;
    dispose(): Promise<void>;
  }>;
}
interface Sequence {
  clearHistory(): Promise<void>;
  evaluateWithoutGeneratingNewTokens(ids: readonly number[]): Promise<void>;
  evaluate(ids: readonly number[], options: object): AsyncGenerator<number>;
}

const folder = new URL("../.llama/node_modules/node-llama-cpp/", import.meta.url);
const { version } = JSON.parse(readFileSync(new URL("package.json", folder), "utf8")) as { version: string };
const threads = availableParallelism();

async function prepare(work: Work): Promise<Prepared> {
  if (!(work.kind === "decode" || work.kind === "prefill" || work.kind === "first-token"))
    throw new Error(`llama.cpp does no ${work.kind}`);
  const { getLlama } = (await import(new URL("dist/index.js", folder).href)) as LlamaModule;
  const llama = await getLlama({ gpu: false, build: "never", maxThreads: threads, logLevel: "error" });
  const model = await llama.loadModel({ modelPath: work.model });
  const context = await model.createContext({ contextSize: 1024, batchSize: 512, threads });
  const sequence = context.getSequence();

  /** Writes a token, and then so many more, which are timed. */
  const write = async (count: number): Promise<Result> => {
    await sequence.clearHistory();
    const options = { temperature: 0, yieldEogToken: true };
    const tokens = sequence.evaluate(tokenIds(shortPrompt), options);
    await tokens.next();
    const result = await time(async () => {
      for (let i = 0; i < count; i++) {
        if ((await tokens.next()).done) throw new Error(`llama.cpp ended after ${i} of ${count} tokens`);
      }
    });
    await tokens.return(0);
    return result;
  };
  const read = async (ids: readonly number[]) => {
    await sequence.clearHistory();
    await sequence.evaluateWithoutGeneratingNewTokens(ids);
  };
  const release = () => llama.dispose();
  switch (work.kind) {
    case "decode":
      return { repeat: () => write(work.tokens), release };
    case "prefill":
      return { repeat: () => time(() => read(tokenIds(work.length))), release };
    case "first-token": {
      await write(0);
      const seconds = performance.now() / 1000;
      return { repeat: async () => ({ seconds }), release };
    }
  }
}

await serve(prepare, { "node-llama-cpp": version });
