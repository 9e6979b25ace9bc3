import { listSupportedBackends } from "onnxruntime-node";
import { expect, test } from "vitest";
import { add, compile, requireDevice } from "../../src/engine/index.js";
import { InputError } from "../../src/errors.js";

const cudaInstalled = listSupportedBackends().some(({ name, bundled }) => name === "cuda" && bundled);

test.skipIf(cudaInstalled)(
  "a device whose provider is missing is refused, and the error says what it needs",
  async () => {
    const refused = requireDevice("cuda");
    await expect(refused).rejects.toThrow(InputError);
    await expect(refused).rejects.toThrow(
      /^device: is cuda, which cannot be used here \(.+\): it needs an NVIDIA GPU, CUDA 12 .*; or use cpu$/,
    );
    const inputs = { x: { dtype: "f32", shape: [1] } } as const;
    await expect(compile(({ x }) => ({ y: add(x, 1) }), { inputs, device: "cuda" })).rejects.toThrow(
      "is cuda",
    );
  },
);

test("the processor is always there", async () => {
  await requireDevice("cpu");
});
