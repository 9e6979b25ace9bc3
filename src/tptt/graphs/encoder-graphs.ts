import { compile, type Tensor, type TypeInfo, type Value } from "../../engine/index.js";
import { InputError } from "../../errors.js";
import { snakeCase } from "../../io/field-names.js";
import type { Backbone } from "../../models/backbone.js";
import type { EncodeInputs } from "./batch.js";
import { hiddenStates, type SequenceShape } from "./sequence-graphs.js";
import { muType, type TitanParts } from "./titan-parts.js";

/** The static side of a graph that gives hidden states. */
export interface EncodingShape extends SequenceShape {
  /** The type of the backbone's input: token ids or images. */
  readonly input: TypeInfo;
  /** Whether the graph takes token types. */
  readonly typed: boolean;
}

/** Compiles an input to the last hidden states, [B, S, hidden], and the pooled output, [B, pooled], if there is one. */
export function compileEncoding(parts: TitanParts, shape: EncodingShape) {
  const perToken = (dtype: "int64" | "bool"): TypeInfo => ({ dtype, shape: [shape.batch, shape.length] });
  return compile(
    ({ input, ...others }: { input: Value; mask?: Value; tokenTypeIds?: Value; mu: Value }) => {
      const lastHiddenState = hiddenStates(parts, shape, input, others);
      const poolerOutput = parts.base.pool(lastHiddenState);
      return { lastHiddenState, ...(poolerOutput ? { poolerOutput } : {}) };
    },
    {
      inputs: {
        input: shape.input,
        ...(shape.masked ? { mask: perToken("bool") } : {}),
        ...(shape.typed ? { tokenTypeIds: perToken("int64") } : {}),
        mu: muType(parts),
      },
      frozen: parts.frozen,
      device: parts.device,
    },
  );
}

/** What the backbone reads first of all. @throws InputError when it is not there, or something is that it does not read. */
export function mainInput({ inputs: read, config }: Backbone, inputs: EncodeInputs): Tensor {
  const given = Object.keys(inputs).filter((name) => name !== "attentionMask");
  const [main] = read;
  const tensor = (inputs as Record<string, Tensor>)[main];
  const unknown = given.find((name) => !read.some((known) => known === name));
  if (tensor && unknown === undefined) return tensor;
  throw new InputError(
    snakeCase(unknown ?? main),
    `${unknown ? "cannot be read" : "is missing"}: a ${config.modelType} model reads ${read.map(snakeCase).join(", ")}`,
  );
}
