import type { HonoRequest } from "hono";
import { ApiError, badRequest } from "./api-error.js";

/**
 * The text of a request's body. Hono's `bodyLimit` fails on a body of no declared length that is small enough, for it makes
 * a Request of one that is its server's and not Node's.
 *
 * @throws ApiError when it has more bytes than `largest`, or is cut off.
 */
export async function readBody(request: HonoRequest, largest: number): Promise<string> {
  return receive(request, largest).catch((error: unknown) => {
    throw error instanceof ApiError ? error : badRequest("the body: is cut off");
  });
}

async function receive(request: HonoRequest, largest: number): Promise<string> {
  const declared = request.header("Content-Length");
  if (declared !== undefined && request.header("Transfer-Encoding") === undefined) {
    if (Number(declared) > largest) throw tooLarge(largest);
    return request.text();
  }
  const pieces: Uint8Array[] = [];
  let size = 0;
  const reader = request.raw.body?.getReader();
  for (let piece = await reader?.read(); piece && !piece.done; piece = await reader?.read()) {
    size += piece.value.length;
    if (size > largest) throw tooLarge(largest);
    pieces.push(piece.value);
  }
  return Buffer.concat(pieces).toString();
}

const tooLarge = (largest: number) =>
  new ApiError(413, "invalid_request_error", `The request is larger than ${largest} bytes.`);
