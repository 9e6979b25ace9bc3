import type { Decoder } from "#dist/index.js";
import {
  type DecodeWork,
  type FirstTokenWork,
  type PrefillWork,
  type Prepared,
  shortPrompt,
  time,
  tokenIds,
} from "../work.js";
import { open } from "./open.js";

/** Greedy decoding, logits and sampling included, from the first token after the context on: reading is another row. */
export async function prepareDecode(work: DecodeWork): Promise<Prepared> {
  const { maxSelfAttnLength } = work;
  const model = await open(work, maxSelfAttnLength === undefined ? {} : { maxSelfAttnLength });
  const context = tokenIds(work.context);
  const fresh = work.context <= shortPrompt;
  const read = async (): Promise<Continuation> => {
    const decoder = model.decoder();
    const [logits] = await decoder.read([context]);
    return { decoder, next: largest(logits!) };
  };
  const long = fresh ? undefined : await read();
  return {
    repeat: async () => {
      const { decoder, next } = long ?? (await read());
      return time(() => writeGreedily(decoder, next, work.tokens));
    },
    release: () => model.dispose(),
  };
}

/** Reading a prompt into an empty cache. */
export async function preparePrefill(work: PrefillWork): Promise<Prepared> {
  const model = await open(work);
  const prompt = tokenIds(work.length);
  return {
    repeat: () => time(() => model.decoder().read([prompt])),
    release: () => model.dispose(),
  };
}

/** The whole way from the process's start to a token; it can be gone once. */
export async function prepareFirstToken(work: FirstTokenWork): Promise<Prepared> {
  const model = await open(work);
  await model.decoder().read([tokenIds(shortPrompt)]);
  const seconds = performance.now() / 1000;
  return { repeat: async () => ({ seconds }), release: () => model.dispose() };
}

interface Continuation {
  readonly decoder: Decoder;
  readonly next: number;
}

async function writeGreedily(decoder: Decoder, first: number, count: number): Promise<void> {
  let next = first;
  for (let i = 0; i < count; i++) {
    const [logits] = await decoder.read([[next]]);
    next = largest(logits!);
  }
}

function largest(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}
