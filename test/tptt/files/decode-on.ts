import { TpttModel } from "../../../src/tptt/tptt-model.js";

/** Decoders that were saved: a process of its own reads one more token with each, and prints the logits. */
interface Saved {
  readonly model: string;
  readonly path: string;
  readonly next: number;
}

const results: number[][] = [];
for (const { model: folder, path, next } of JSON.parse(process.argv[2]!) as Saved[]) {
  const model = await TpttModel.fromPretrained(folder);
  const { decoder } = await model.loadDecoder(path);
  const [logits] = await decoder.read([[next]]);
  results.push([...logits!]);
  await model.dispose();
}
process.stdout.write(JSON.stringify(results));
