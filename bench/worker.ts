/** Does one piece of work with the built package: worker.js WORK [PROFILE], PROFILE being where profiles begin. */
import { createRequire } from "node:module";
import { profileSessions } from "./profile-sessions.js";
import { serve } from "./serve.js";
import type { Prepared, Work } from "./work.js";
import { prepareLearn, preparePredict } from "./works/accuracy.js";
import { prepareDecode, prepareFirstToken, preparePrefill } from "./works/decode.js";
import { prepareLimit } from "./works/limit.js";
import { prepareOperator } from "./works/operator.js";
import { prepareTrain } from "./works/train.js";

function prepare(work: Work): Promise<Prepared> {
  switch (work.kind) {
    case "product":
    case "reading":
      return prepareLimit(work);
    case "operator":
      return prepareOperator(work);
    case "train":
      return prepareTrain(work);
    case "decode":
      return prepareDecode(work);
    case "prefill":
      return preparePrefill(work);
    case "first-token":
      return prepareFirstToken(work);
    case "learn":
      return prepareLearn(work);
    case "predict":
      return preparePredict(work);
  }
}

const profile = process.argv[3];
if (profile) profileSessions(profile);
const { version } = createRequire(import.meta.url)("onnxruntime-node/package.json") as { version: string };
await serve(prepare, { node: process.versions.node, "onnxruntime-node": version });
