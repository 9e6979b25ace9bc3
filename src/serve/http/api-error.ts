import type { ContentfulStatusCode } from "hono/utils/http-status";
import { InputError } from "../../errors.js";
import { RefusedError } from "../scheduler.js";

/** The kinds of errors of OpenAI's API that there are here. */
type ErrorType = "invalid_request_error" | "authentication_error" | "rate_limit_error" | "server_error";

/** An answer that tells what went wrong, in the form of OpenAI's API. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: ContentfulStatusCode;
  readonly type: ErrorType;
  readonly code: string | null;
  /** The field of the request that is wrong. */
  readonly param: string | null;

  constructor(
    status: ContentfulStatusCode,
    type: ErrorType,
    message: string,
    { code = null, param = null }: { code?: string | null; param?: string | null } = {},
  ) {
    super(message);
    this.status = status;
    this.type = type;
    this.code = code;
    this.param = param;
  }

  /** What is sent. */
  get body(): { error: { message: string; type: ErrorType; param: string | null; code: string | null } } {
    const { message, type, param, code } = this;
    return { error: { message, type, param, code } };
  }
}

/** An error of a request's own making. */
export const badRequest = (message: string, details: { code?: string; param?: string } = {}): ApiError =>
  new ApiError(400, "invalid_request_error", message, details);

/** A text was not done in time. */
export class TooLateError extends Error {
  override readonly name = "TooLateError";
}

/** Whoever asked for a text has gone. */
export class GoneError extends Error {
  override readonly name = "GoneError";
}

/** Any error as an answer. What a user cannot mend tells nothing of the inside. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof InputError) return badRequest(error.message, { param: error.where });
  if (error instanceof RefusedError) {
    return error.reason === "full"
      ? new ApiError(429, "rate_limit_error", "Too many requests wait; try again later.", {
          code: "rate_limit_exceeded",
        })
      : new ApiError(503, "server_error", "The server is shutting down.", { code: "shutting_down" });
  }
  if (error instanceof TooLateError) {
    return new ApiError(504, "server_error", "The request took too long.", { code: "timeout" });
  }
  if (error instanceof GoneError) {
    // Nginx's status, which nobody gets to see but the log.
    return new ApiError(499 as ContentfulStatusCode, "server_error", "The client has left.");
  }
  return new ApiError(500, "server_error", "Something went wrong inside the server.");
}
