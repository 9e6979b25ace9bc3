/**
 * The engine: symbolic arrays that are traced, differentiated and compiled to ONNX Runtime.
 *
 *     const f = await compile(({ x }) => sum(mul(x, x)), { inputs: { x: { dtype: "f32", shape: [3] } } });
 *     (await f.run({ x: Tensor.f32([3], [1, 2, 3]) })).item(); // 14
 *
 * @module
 */
export {
  grad,
  gradients,
  type Loss,
  trainableParameters,
  type ValueAndGrads,
  valueAndGrad,
  vjp,
  vjpAt,
} from "./autodiff.js";
export {
  type CompileOptions,
  compile,
  type Executable,
  estimateBytes,
  type Params,
  type RunInputs,
} from "./compile.js";
export { type Device, devices, keepsResults } from "./device.js";
export { FrozenWeights, type Pieces } from "./frozen-weights.js";
export { fromF32, toF32 } from "./half.js";
export * from "./ops/index.js";
export { fasterProductType } from "./product-type.js";
export {
  type BlockFormat,
  dequantize,
  fitsBlocks,
  packBlocks,
  type QuantizedMatrix,
  quantize,
} from "./quantized.js";
export { requireDevice } from "./require-device.js";
export type { SessionOptions } from "./runtime.js";
export type { ProductType } from "./stored.js";
export { takeRows } from "./take-rows.js";
export {
  arrayType,
  bytesPerElement,
  type DeviceBuffer,
  type DType,
  sameShape,
  sizeOf,
  Tensor,
  type TensorData,
} from "./tensor.js";
export type { MapTree, Tree } from "./tree.js";
export { constant, input, Parameter, parameter, scalar, scoped, type TypeInfo, Value } from "./value.js";
