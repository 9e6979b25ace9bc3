import { fileURLToPath } from "node:url";
import type { Tensor } from "../../../src/engine/index.js";
import python from "../../fixtures/tptt/operator.json" with { type: "json" };
import { readTensors } from "../../tensors.js";
import type { OperatorCase, OperatorShape } from "./operator-cases.js";

/** What interop/make-operator-fixtures.py wrote. */
export const operatorTensors: ReadonlyMap<string, Tensor> = await readTensors(
  fileURLToPath(new URL("../../fixtures/tptt/operator.safetensors", import.meta.url)),
);
export const operatorShape: OperatorShape = python.shape;
export const operatorCases = python.cases as readonly unknown[] as readonly OperatorCase[];

/** The tensor of a name. */
export function operatorTensor(name: string): Tensor {
  const tensor = operatorTensors.get(name);
  if (!tensor) throw new Error(`operator.safetensors has no ${name}`);
  return tensor;
}
