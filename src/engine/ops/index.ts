export { checkpoint, customGradient, type ScanOptions, type ScanResult, scan } from "./control.js";
export {
  add,
  bitwiseXor,
  cast,
  div,
  equal,
  exp,
  greaterEqual,
  less,
  log,
  logicalAnd,
  maximum,
  mod,
  mul,
  neg,
  type Operand,
  sigmoid,
  sqrt,
  sub,
  tanh,
  where,
} from "./elementwise.js";
export { gather, putAlong, scatterAdd, takeAlong } from "./indexing.js";
export { linear, matmul, rmsNorm } from "./linalg.js";
export { cumsum, max, mean, softmax, sum } from "./reduce.js";
export { concat, expand, flip, reshape, slice, split, transpose, zeros } from "./shape.js";
