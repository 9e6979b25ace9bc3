import { type Parameter, type Params, Tensor } from "../engine/index.js";

/**
 * The trained parameters laid end to end in one vector [P], so that clipping, averaging and the optimizer are a few
 * operations whatever the number of parameters.
 */
export class ParameterVector {
  readonly size: number;
  readonly #slots: readonly { name: string; shape: readonly number[]; start: number; end: number }[];

  constructor(parameters: readonly Parameter[]) {
    let size = 0;
    this.#slots = parameters.map(({ name, shape, size: length }) => {
      const start = size;
      size += length;
      return { name, shape, start, end: size };
    });
    this.size = size;
  }

  /** One vector from tensors by name. @throws Error when one is missing. */
  pack(tensors: Params): Tensor {
    const data = new Float32Array(this.size);
    for (const { name, start } of this.#slots) {
      const tensor = tensors[name];
      if (!tensor) throw new Error(`ParameterVector: no tensor for ${name}`);
      data.set(tensor.f32, start);
    }
    return Tensor.f32([this.size], data);
  }

  /** One vector from gradients by name: 0 where there is none, as for the gates of memories that are off. */
  packGradients(grads: Params): Tensor {
    const data = new Float32Array(this.size);
    for (const { name, start } of this.#slots) {
      const gradient = grads[name];
      if (gradient) data.set(gradient.f32, start);
    }
    return Tensor.f32([this.size], data);
  }

  /** The parts of a vector by name; they share its memory. */
  unpack(vector: Tensor): Params {
    return Object.fromEntries(
      this.#slots.map(({ name, shape, start, end }) => [
        name,
        Tensor.f32(shape, vector.f32.subarray(start, end)),
      ]),
    );
  }

  /** A vector of 1 where weight decay applies: at matrices, not at biases and norms, as Hugging Face's Trainer does. */
  decayMask(): Tensor {
    const data = new Float32Array(this.size);
    for (const { shape, start, end } of this.#slots) if (shape.length > 1) data.fill(1, start, end);
    return Tensor.f32([this.size], data);
  }
}
