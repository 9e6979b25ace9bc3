export { accumulate } from "./accumulate.js";
export { gelu, geluExact, silu } from "./activation.js";
export {
  after,
  checkpoint,
  customGradient,
  customGradients,
  type ScanOptions,
  type ScanResult,
  scan,
} from "./control.js";
export {
  add,
  cast,
  cos,
  div,
  equal,
  erf,
  exp,
  greaterEqual,
  less,
  log,
  logicalAnd,
  maximum,
  minimum,
  mod,
  mul,
  neg,
  type Operand,
  sigmoid,
  sin,
  sqrt,
  sub,
  tanh,
  where,
} from "./elementwise.js";
export { gather, putAlong, scatterAdd, takeAlong, topK } from "./indexing.js";
export { linear, type MatMul, matmul } from "./linalg.js";
export { l2norm, rmsNorm } from "./norm.js";
export { dropout } from "./random.js";
export { cumsum, max, mean, softmax, sum } from "./reduce.js";
export { rotary } from "./rotary.js";
export { concat, expand, flip, reshape, slice, split, transpose, zeros } from "./shape.js";
