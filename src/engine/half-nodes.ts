import { elementType } from "./onnx-proto.js";
import { made } from "./op.js";
import { Tensor } from "./tensor.js";
import type { Emitter } from "./value.js";

/*
 * The nodes that read weights in half precision. All between them is f32.
 */

/** Added to what a row is divided by, for rows of zeros: far below any number that counts. */
const tiny = 1e-30;

/** What is stored in half precision, as f32. */
export const emitWhole = (e: Emitter, half: string, output: string): void =>
  e.node("Cast", [half], [output], { to: elementType.f32 });

/**
 * A product of rows with a matrix that is stored in half precision, computed in it. Half precision knows no number beyond 65504
 * and none below 6e-8: so each row goes in divided by its largest number, and its product is multiplied by that. Neither large
 * activations nor small gradients are lost then, and training needs no scale of the loss.
 *
 * @param x f32 [.., k].
 * @param product writes the node that multiplies such rows.
 */
export function emitHalfProduct(
  e: Emitter,
  x: string,
  output: string,
  product: (rows: string, result: string) => void,
): void {
  const largest = e.once(`${x} largest of rows`, () => {
    const last = e.constant(Tensor.int64([1], [-1]));
    const found = made(e, "ReduceMax", [made(e, "Abs", [x]), last], { keepdims: 1 });
    return made(e, "Add", [found, e.constant(Tensor.scalar(tiny))]);
  });
  const rows = e.once(`${x} as half`, () =>
    made(e, "Cast", [made(e, "Div", [x, largest])], { to: elementType.f16 }),
  );
  const result = e.fresh();
  product(rows, result);
  const whole = e.fresh();
  emitWhole(e, result, whole);
  e.node("Mul", [whole, largest], [output]);
}
