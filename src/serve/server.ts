import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { InputError } from "../errors.js";
import { type AppOptions, createApp } from "./http/app.js";
import { createStartingApp } from "./http/starting-app.js";
import { RefusedError, type Scheduler } from "./scheduler.js";

/** Where a server listens. */
export interface Address {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** A server that listens. */
export interface RunningServer {
  readonly url: string;
  /** Answers requests from now on. Until then they are told that the server starts. */
  serve(options: AppOptions): void;
  /**
   * Takes no more requests, and ends when those that it has are answered. A server that is closed may be closed again.
   *
   * @param grace seconds after which they fail.
   */
  close(grace: number): Promise<void>;
}

/**
 * Takes an address, so that one that cannot be had is known before models are opened, which takes long.
 *
 * @throws InputError when it cannot listen there.
 */
export async function startServer({ host, port }: Address): Promise<RunningServer> {
  let app = createStartingApp();
  let scheduler: Scheduler | undefined;
  const server = createAdaptorServer({
    fetch: (request, env) => app.fetch(request, env),
    overrideGlobalObjects: false,
  }) as Server;
  await listen(server, host, port);
  const { address, family, port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${taken}`,
    serve(options) {
      app = createApp(options);
      scheduler = options.scheduler;
    },
    async close(grace) {
      const timer = setTimeout(() => scheduler?.abort(new RefusedError("closing")), 1000 * grace);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await scheduler?.close();
      clearTimeout(timer);
      // A connection that a client keeps open is idle once its last answer is sent.
      const idle = setInterval(() => server.closeIdleConnections(), 20);
      const last = setTimeout(() => server.closeAllConnections(), 2_000);
      await closed;
      clearInterval(idle);
      clearTimeout(last);
    },
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const reasons: Record<string, string> = {
        EADDRINUSE: "is taken; choose another, or 0 for any that is free",
        EACCES: "needs rights that this process lacks; choose one above 1023",
      };
      const reason = reasons[error.code ?? ""];
      reject(
        reason
          ? new InputError("port", `is ${port}, which ${reason}`)
          : new InputError(
              "host",
              `is ${host}, which cannot be listened on (${error.code}); give an address of this machine`,
            ),
      );
    });
    server.listen(port, host, resolve);
  });
}
