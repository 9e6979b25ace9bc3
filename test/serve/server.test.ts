import { expect, onTestFinished, test } from "vitest";
import { Random } from "../../src/random.js";
import { Scheduler } from "../../src/serve/scheduler.js";
import { startServer } from "../../src/serve/server.js";

test("requests are told that the server starts, until it serves", async () => {
  const server = await startServer({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => server.close(0));
  const ask = async (path: string, init?: RequestInit) => {
    const response = await fetch(`${server.url}${path}`, init);
    return { status: response.status, body: await response.json(), headers: response.headers };
  };
  expect(await ask("/health")).toMatchObject({ status: 503, body: { status: "starting" } });
  const told = await ask("/v1/completions", { method: "POST", body: "{}" });
  expect(told).toMatchObject({
    status: 503,
    body: {
      error: {
        message: "The server is starting.",
        type: "server_error",
        param: null,
        code: "starting",
      },
    },
  });
  expect(told.headers.get("Retry-After")).toBe("5");

  server.serve({
    models: new Map(),
    scheduler: new Scheduler({ maxBatchSize: 1, maxQueueLength: 0 }),
    maxLength: 8,
    timeout: 1,
    maxRequestBytes: 100,
    random: new Random(0),
    onError: () => {},
  });
  expect(await ask("/health")).toMatchObject({ status: 200, body: { status: "ok" } });
  expect(await ask("/v1/models")).toMatchObject({ status: 200, body: { data: [] } });
});

test("a server that never served is closed, as often as one likes", async () => {
  const server = await startServer({ host: "127.0.0.1", port: 0 });
  await server.close(0);
  await server.close(0);
  await expect(fetch(`${server.url}/health`)).rejects.toThrow();
});

test("an address of another machine", async () => {
  // RFC 5737: an address of documents only.
  const refused = startServer({ host: "192.0.2.1", port: 0 });
  await expect(refused).rejects.toThrow(
    "host: is 192.0.2.1, which cannot be listened on (EADDRNOTAVAIL); give an address of this machine",
  );
});
