import { Hono } from "hono";
import { ApiError } from "./api-error.js";

/** Seconds after which a client may ask again. */
const patience = "5";

/** What a server answers while its models are opened: that it is there, and not ready. */
export function createStartingApp(): Hono {
  const app = new Hono();
  app.get("/health", (c) => c.json({ status: "starting" }, 503));
  app.all("*", (c) => {
    const { status, body } = new ApiError(503, "server_error", "The server is starting.", {
      code: "starting",
    });
    return c.json(body, status, { "Retry-After": patience });
  });
  return app;
}
