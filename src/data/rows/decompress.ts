import { brotliDecompressSync, gunzipSync } from "node:zlib";
import type { Compressors } from "hyparquet";
import { compressors } from "hyparquet-compressors";

/** What a page may become, in bytes, whatever it is made from; writers make pages of about 1 MiB. */
const pageSize = 32 * 2 ** 20;

/** What larger pages may become, for each of their bytes. */
const largestRatio = 100;

/** Node's decompressors hold no more than the page; those of the library hold the largest window of the format. */
const inNode: Compressors = {
  BROTLI: (input, outputLength) => brotliDecompressSync(input, { maxOutputLength: outputLength }),
  GZIP: (input, outputLength) => gunzipSync(input, { maxOutputLength: outputLength }),
};

/** Decompresses the pages of Parquet files. They throw an Error for a page that claims to become far more than it can. */
export const boundedCompressors: Compressors = Object.fromEntries(
  Object.entries({ ...compressors, ...inNode }).map(([codec, decompress]) => [
    codec,
    (input: Uint8Array, outputLength: number) => {
      const most = Math.max(pageSize, largestRatio * input.length);
      if (!(outputLength >= 0 && outputLength <= most)) {
        throw new Error(
          `a page of ${input.length} bytes claims to become ${outputLength}, at most ${most} are allowed`,
        );
      }
      return outputLength === 0 ? new Uint8Array(0) : decompress(input, outputLength);
    },
  ]),
);
