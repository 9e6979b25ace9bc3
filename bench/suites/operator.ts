import type { Row, Suite } from "../row.js";
import type { OperatorWork } from "../work.js";

const note =
  "neither side keeps anything for gradients: under torch.no_grad(). Without it, Python keeps the states of all tokens; its order 2 then takes 1.2 to 13 s from one run to the next";

/** The linear attention operator alone. */
export const operator: Suite = ({ folder }) => {
  const row = (order: number, backward: boolean, atLeast: number): Row => {
    const shape = { batch: 2, heads: 32, length: 512, dim: 64 };
    const work: OperatorWork = { kind: "operator", ...shape, order, backward };
    return {
      name: `B2 H32 S512 D64, order ${order}, forward${backward ? " + backward" : ""}`,
      ours: { name: "tptt", program: "tptt", work },
      references: folder ? [{ name: "Python tptt", program: "python", work, atLeast }] : [],
      needs: { gflop: gflop(work) },
      ...(backward ? {} : { note }),
    };
  };
  return [row(1, false, 20), row(2, false, 60), row(1, true, 20), row(2, true, 60)];
};

/**
 * What the recurrence itself computes: for each virtual token a reading of the state and a write, for each token a
 * reading with the query, 2 D^2 each; for the gradients twice that again.
 */
function gflop({ batch, heads, length, dim, order, backward }: OperatorWork): number {
  const forward = batch * heads * length * (2 * order + 1) * 2 * dim ** 2;
  return (forward * (backward ? 3 : 1)) / 1e9;
}
