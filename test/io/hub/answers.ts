import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

/** What goes wrong with the body of an answer. */
export interface Damage {
  /** Cuts the connection after so many bytes of the answer's body. */
  readonly cutAfter?: number;
  /** Turns a bit of the body around. */
  readonly corrupt?: boolean;
  /** Says nothing more for so many ms, after `cutAfter` bytes if there are. */
  readonly silence?: number;
  /** Sends all, whatever range is asked for. */
  readonly ignoresRange?: boolean;
  /** Sends what lies so many bytes behind the range that is asked for. */
  readonly shiftsRange?: number;
}

/** Sends bytes, or the range that is asked for, or not all of them. */
export async function send(
  request: IncomingMessage,
  response: ServerResponse,
  content: Uint8Array,
  etag: string,
  { cutAfter, corrupt, silence, ignoresRange, shiftsRange = 0 }: Damage = {},
): Promise<void> {
  const { range, "if-range": condition } = request.headers;
  const asked = ignoresRange ? null : /^bytes=(\d+)-(\d*)$/.exec(range ?? "");
  response.setHeader("etag", etag).setHeader("accept-ranges", "bytes");
  const size = content.byteLength;
  let body = content;
  if (asked && (condition === undefined || condition === etag)) {
    const from = Number(asked[1]) + shiftsRange;
    if (from >= size) {
      response.writeHead(416, { "content-range": `bytes */${size}` }).end();
      return;
    }
    const end = asked[2] ? Math.min(Number(asked[2]) + 1, size) : size;
    body = content.subarray(from, end);
    response.writeHead(206, {
      "content-range": `bytes ${from}-${end - 1}/${size}`,
      "content-length": body.byteLength,
    });
  } else {
    response.writeHead(200, { "content-length": size });
  }
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  if (corrupt) body = body.map((byte, i) => (i === body.byteLength >> 1 ? byte ^ 1 : byte));
  if (cutAfter === undefined && silence === undefined) {
    response.end(body);
    return;
  }
  const part = body.subarray(0, cutAfter ?? 0);
  await new Promise<void>((done) => (part.byteLength > 0 ? response.write(part, () => done()) : done()));
  response.flushHeaders();
  // What was written reaches the other side before the connection ends.
  await delay(silence ?? 20, undefined, { ref: false });
  response.destroy();
}

export function refuse(
  response: ServerResponse,
  status: number,
  code?: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { ...headers, ...(code ? { "x-error-code": code } : {}) }).end();
}

export function json(response: ServerResponse, value: unknown): void {
  response.setHeader("content-type", "application/json").end(JSON.stringify(value));
}

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Takes so many bytes of a request's body, then cuts the connection. */
export async function cutAfter(request: IncomingMessage, count: number): Promise<void> {
  let taken = 0;
  for await (const chunk of request) {
    taken += chunk.length;
    if (taken >= count) break;
  }
  request.socket.destroy();
}
