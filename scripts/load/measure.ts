import autocannon, { type Options, type Result } from "autocannon";

/** What is asked for, and by how many at a time. */
export interface Load {
  readonly url: string;
  readonly model: string;
  /** Clients, each of which asks again as soon as it is answered. */
  readonly clients: number;
  /** Requests in all. */
  readonly requests: number;
  /** New tokens of each. */
  readonly maxTokens: number;
  readonly prompt: string;
}

/** What a server made of a load. */
export interface Measured {
  readonly clients: number;
  readonly answered: number;
  /** Refused because too many waited. */
  readonly refused: number;
  /** Everything else that is no answer. */
  readonly failed: number;
  /** Milliseconds until an answer. */
  readonly p50: number;
  readonly p99: number;
  /** Of answers, in all. */
  readonly tokensPerSecond: number;
  /** Milliseconds from the arrival of a request to its first token, on the average. */
  readonly firstToken: number;
  /** Of the server, after the load. */
  readonly residentBytes: number;
}

/** Puts a load on a server, and measures how it bears it. */
export async function measure(load: Load): Promise<Measured> {
  const { url, model, clients, requests, maxTokens, prompt } = load;
  const before = await readMetrics(url);
  const start = performance.now();
  let end = start;
  const options: Options = {
    url: `${url}/v1/completions`,
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, prompt, max_tokens: maxTokens, temperature: 0 }),
    connections: clients,
    amount: requests,
    timeout: 600,
  };
  const result = await new Promise<Result>((resolve, reject) => {
    const running = autocannon(options, (error, result) => (error ? reject(error) : resolve(result)));
    // It looks only once a second whether it is done.
    running.on("response", () => {
      end = performance.now();
    });
  });
  const seconds = (end - start) / 1000;
  const after = await readMetrics(url);
  const added = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0);
  const refused = result.statusCodeStats?.["429"]?.count ?? 0;
  return {
    clients,
    answered: result["2xx"],
    refused,
    failed: result.non2xx - refused + result.errors,
    p50: result.latency.p50,
    p99: result.latency.p99,
    tokensPerSecond: added(`tptt_completion_tokens_total{model="${model}"}`) / seconds,
    firstToken:
      (1000 * added("tptt_time_to_first_token_seconds_sum")) /
      added("tptt_time_to_first_token_seconds_count"),
    residentBytes: after.get("process_resident_memory_bytes") ?? 0,
  };
}

/** The values of a server's metrics by series. */
async function readMetrics(url: string): Promise<Map<string, number>> {
  const lines = (await (await fetch(`${url}/metrics`)).text()).split("\n");
  const values = lines.filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    values.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
}
