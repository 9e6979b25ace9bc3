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

/** Greedy decoding, logits and sampling included. */
export async function prepareDecode(work: DecodeWork): Promise<Prepared> {
  const { maxSelfAttnLength } = work;
  const model = await open(work, maxSelfAttnLength === undefined ? {} : { maxSelfAttnLength });
  const context = tokenIds(work.context);
  const fresh = work.context <= shortPrompt;
  const long = fresh ? undefined : model.decoder();
  // All but the last token, which every repetition reads first.
  await long?.read([context.slice(0, -1)]);
  return {
    repeat: () =>
      time(() => writeGreedily(long ?? model.decoder(), fresh ? context : context.slice(-1), work.tokens)),
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
  await writeGreedily(model.decoder(), tokenIds(shortPrompt), 1);
  const seconds = performance.now() / 1000;
  return { repeat: async () => ({ seconds }), release: () => model.dispose() };
}

async function writeGreedily(decoder: Decoder, prompt: readonly number[], count: number): Promise<void> {
  let next = prompt;
  for (let i = 0; i < count; i++) {
    const [logits] = await decoder.read([next]);
    next = [largest(logits!)];
  }
}

function largest(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}
