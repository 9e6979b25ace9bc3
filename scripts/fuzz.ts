/**
 * Changes sound files of every kind that is read (bits, lengths, fields, footers) and reads them. Each must be read or
 * refused with an InputError: no crash, no more than a second, no more memory than four times the file and a fixed floor.
 *
 *     npm run fuzz -- --count 100000 --seed 1
 *     npm run fuzz -- --reader gguf --seed 4711 --count 1      (a single file again)
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { fuzz } from "../test/fuzz/fuzz.js";

const names = ["safetensors", "gguf", "tokenizer", "config", "dataset"];
const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    /** Files in all. */
    count: { type: "string", default: "100000" },
    reader: { type: "string", multiple: true },
    keep: { type: "string", default: "fuzz-failures" },
    processes: { type: "string", default: String(Math.min(4, availableParallelism())) },
  },
});
const readers = values.reader ?? names;
const unknown = readers.find((name) => !names.includes(name));
if (unknown !== undefined) throw new Error(`--reader is ${unknown}, expected one of ${names.join(", ")}`);

const start = Date.now();
const { failures, tallies } = await fuzz({
  readers,
  seed: Number(values.seed),
  count: Math.ceil(Number(values.count) / readers.length),
  processes: Number(values.processes),
  keep: values.keep,
  onFailure: ({ reader, seed, problem }, kept) => {
    console.log(`${reader}: ${problem}`);
    console.log(`  ${kept}; again: npm run fuzz -- --reader ${reader} --seed ${seed} --count 1\n`);
  },
});
let files = 0;
for (const [reader, tally] of tallies) {
  files += tally.files;
  const [refused, slowest] = [((100 * tally.refused) / tally.files).toFixed(0), tally.slowest.toFixed(0)];
  const largest = (tally.largest / 2 ** 20).toFixed(1);
  console.log(
    `${reader}: ${tally.files} files, ${refused} % refused, slowest ${slowest} ms, buffers up to ${largest} MiB`,
  );
}
console.log(`${files} files in ${((Date.now() - start) / 1000).toFixed(0)} s, ${failures.length} failures`);
process.exitCode = failures.length > 0 ? 1 : 0;
