/** Element types. `f16` and `bf16` are held as their 16 bits; `bool` as one byte of 0 or 1. */
export type DType = "f32" | "f64" | "f16" | "bf16" | "int32" | "int64" | "uint8" | "int8" | "bool";

/** The typed array that holds elements of a {@link DType}. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Uint16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Int8Array;

const arrayOf = {
  f32: Float32Array,
  f64: Float64Array,
  f16: Uint16Array,
  bf16: Uint16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  int8: Int8Array,
  bool: Uint8Array,
} as const;

/** The typed array constructor for a dtype. */
export function arrayType(dtype: DType): (typeof arrayOf)[DType] {
  return arrayOf[dtype];
}

/** Bytes of one element. */
export function bytesPerElement(dtype: DType): number {
  return arrayOf[dtype].BYTES_PER_ELEMENT;
}

/** Whether elements are (approximations of) real numbers: what a gradient can flow through. */
export function isFloat(dtype: DType): boolean {
  return dtype === "f32" || dtype === "f64" || dtype === "f16" || dtype === "bf16";
}

/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** Whether two shapes are the same. */
export const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((n, i) => n === b[i]);

/** Elements in the memory of a device, which only sessions on that device can read. */
export interface DeviceBuffer {
  /** Number of elements. */
  readonly size: number;
  /** Hands the memory back. */
  dispose(): void;
}

/**
 * A dense array, row-major, in host memory unless a session left it on its device. It owns its data until
 * {@link Tensor.dispose}; using it after that is an error, so a buffer that was handed back is never read by mistake.
 */
export class Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  #data: TensorData | DeviceBuffer | null;

  /** @throws RangeError when the data's length is not the product of the shape. */
  constructor(dtype: DType, shape: readonly number[], data: TensorData | DeviceBuffer) {
    const given = ArrayBuffer.isView(data) ? data.length : data.size;
    if (given !== sizeOf(shape)) {
      throw new RangeError(`Tensor: shape [${shape}] needs ${sizeOf(shape)} elements, the data has ${given}`);
    }
    this.dtype = dtype;
    this.shape = [...shape];
    this.#data = data;
  }

  /** The elements. @throws Error when they lie on a device. */
  get data(): TensorData {
    const data = this.#held;
    if (ArrayBuffer.isView(data)) return data;
    throw new Error(`Tensor [${this.shape}]: lies on the device, where only a session reads it`);
  }

  /** @internal The elements where they lie on a device. */
  get deviceBuffer(): DeviceBuffer | undefined {
    const data = this.#held;
    return ArrayBuffer.isView(data) ? undefined : data;
  }

  get #held(): TensorData | DeviceBuffer {
    if (this.#data === null) throw new Error(`Tensor [${this.shape}]: used after dispose()`);
    return this.#data;
  }

  /** The elements of an `f32` tensor. */
  get f32(): Float32Array {
    if (this.dtype !== "f32")
      throw new TypeError(`Tensor: expected f32, got ${this.dtype}; convert it first`);
    return this.data as Float32Array;
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  get byteLength(): number {
    return this.size * bytesPerElement(this.dtype);
  }

  /** The only element of a tensor of size 1, as a number. */
  item(): number {
    if (this.size !== 1) throw new RangeError(`Tensor.item: expected 1 element, got shape [${this.shape}]`);
    return Number(this.data[0]);
  }

  /** The same data under another shape of the same size. */
  reshape(shape: readonly number[]): Tensor {
    return new Tensor(this.dtype, shape, this.data);
  }

  /** A copy with data of its own. */
  clone(): Tensor {
    return new Tensor(this.dtype, this.shape, this.data.slice());
  }

  /** Lets go of the data. Safe to call twice. */
  dispose(): void {
    if (this.#data !== null && !ArrayBuffer.isView(this.#data)) this.#data.dispose();
    this.#data = null;
  }

  /** Zeros, or false. */
  static zeros(dtype: DType, shape: readonly number[]): Tensor {
    return new Tensor(dtype, shape, new arrayOf[dtype](sizeOf(shape)));
  }

  /** An `f32` tensor from numbers. */
  static f32(shape: readonly number[], values: ArrayLike<number>): Tensor {
    return new Tensor("f32", shape, values instanceof Float32Array ? values : Float32Array.from(values));
  }

  /** An `int64` tensor from numbers (token ids, labels, positions). */
  static int64(shape: readonly number[], values: ArrayLike<number>): Tensor {
    return new Tensor("int64", shape, BigInt64Array.from(Array.from(values), BigInt));
  }

  /** An `f32` scalar. */
  static scalar(value: number): Tensor {
    return Tensor.f32([], [value]);
  }
}
