import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Records } from "../../../src/data/records.js";
import { type Mutation, mutateBytes } from "../mutate-bytes.js";
import { mutateParquet } from "../mutate-formats.js";
import { mutateJson, mutateJsonLines } from "../mutate-json.js";
import { fixture, type Reader, sample } from "../sample.js";
import { conversation } from "./tokenizer.js";

const rows = [
  { instruction: "Add 1 and 2.", input: "", output: "3" },
  { instruction: 'S\u00e4g "hej",\ntack', output: "Hej \ud83d\ude00" },
  { text: "Only a text." },
  { messages: conversation },
];

/** Data sets in every format. */
export const dataset: Reader = {
  name: "dataset",
  async samples(root) {
    const parquet = ["none", "snappy", "gzip", "zstd", "brotli", "lz4"].map((kind) => `tasks-${kind}`);
    const tables = await Promise.all(
      [...parquet, "chats"].map((name) => readFile(fixture(`datasets/${name}.parquet`))),
    );
    const kinds: [string, string | Uint8Array, Mutation][] = [
      ["rows.json", JSON.stringify(rows, null, 1), mutateJson],
      ["rows.jsonl", `${rows.map((row) => JSON.stringify(row)).join("\n")}\n`, mutateJsonLines],
      ["rows.csv", 'instruction,output\n"Add 1, 2","3"\r\nSay ""hi"",hi\n"two\nlines",x\n', mutateBytes],
      ["rows.tsv", 'instruction\toutput\nAdd\t3\n"a\tb"\tc\n', mutateBytes],
      ["rows.txt", "A text.\n\nAnother, \u00e5\u00e4\u00f6.\n".repeat(20), mutateBytes],
      ...tables.map((table): [string, Uint8Array, Mutation] => ["rows.parquet", table, mutateParquet]),
    ];
    return Promise.all(
      kinds.map(([file, bytes, mutate]) =>
        sample(root, {
          file,
          bytes,
          mutate,
          read: (folder, step) =>
            step(async () => {
              const records = await Records.open([join(folder, file)], { skipMalformed: true });
              try {
                for (let i = 0; i < Math.min(records.length, 100); i++) await step(() => records.read(i));
              } finally {
                await records.close();
              }
            }),
        }),
      ),
    );
  },
};
