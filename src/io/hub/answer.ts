import type { Answer } from "./client.js";
import type { HubSettings } from "./settings.js";

/** What is wrong with an answer before its first byte. */
export function problemIn({ response, headers }: Answer, etag: string, size: number): string | undefined {
  const name = headers.get("x-linked-etag") ?? headers.get("etag");
  const told = /^(?:W\/)?"?([0-9a-f]{40}|[0-9a-f]{64})"?$/.exec(name ?? "")?.[1];
  // Proxies have ETags of other forms and lengths; one of our form is the content's name.
  if (told !== undefined && told.length === etag.length && told !== etag) {
    return `is offered as ${told}, the hub lists ${etag}; try again, the file may have changed`;
  }
  const all = response.status === 200 ? response.headers.get("content-length") : totalOf(response);
  if (response.status !== 416 && all != null && Number(all) !== size) {
    return `is offered with ${all} bytes, the hub lists ${size}; try again, the file may have changed`;
  }
  return undefined;
}

const contentRange = ({ headers }: Response) =>
  /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("content-range") ?? "");

/** The first byte that a part of a file begins with; NaN when the answer is no part. */
export const startOf = (response: Response): number => Number(contentRange(response)?.[1] ?? Number.NaN);

function totalOf(response: Response): string | undefined {
  const total = contentRange(response)?.[2];
  return total === "*" ? undefined : total;
}

/**
 * Takes the body of an answer, piece by piece.
 *
 * @param stop ends the request, whose signal it has.
 * @param take gives whether more is wanted.
 * @returns why no more comes: it has ended, was cut, or fell silent.
 */
export async function takeBody(
  response: Response,
  stop: AbortController,
  { stallTimeout }: HubSettings,
  take: (piece: Uint8Array) => Promise<boolean>,
): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const watch = () => {
    clearTimeout(timer);
    const silent = new Error(`silent for ${stallTimeout / 1000} s`);
    timer = setTimeout(() => stop.abort(silent), stallTimeout);
  };
  try {
    watch();
    const reader = response.body?.getReader();
    let cut: unknown = new Error("the connection was cut");
    const read = () =>
      reader?.read().catch((error: unknown) => {
        cut = error;
        return undefined;
      });
    for (let piece = await read(); piece && !piece.done; piece = await read()) {
      watch();
      if (!(await take(piece.value))) break;
    }
    return cut;
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}
