import { runtime } from "#runtime";
import { InputError } from "../errors.js";
import type { Device } from "./device.js";
import { writeOnnx } from "./onnx-graph.js";
import { add } from "./ops/elementwise.js";
import { input } from "./value.js";

const advice: Readonly<Record<Exclude<Device, "cpu">, string>> = {
  webgpu: "it needs a GPU with a driver for Vulkan, Metal or Direct3D 12",
  cuda: "it needs an NVIDIA GPU, CUDA 12 with cuDNN 9, and onnxruntime-node installed with its install script",
};

const usable = new Map<Device, Promise<void>>();

/** Makes sure that graphs can run on a device. @throws InputError saying what is missing. */
export function requireDevice(device: Device): Promise<void> {
  if (device === "cpu") return Promise.resolve();
  const known = usable.get(device) ?? tryDevice(device);
  usable.set(device, known);
  return known;
}

/** Creates the smallest of sessions. */
async function tryDevice(device: Exclude<Device, "cpu">): Promise<void> {
  const x = input("f32", [1]);
  const model = writeOnnx([add(x, 1)], [x], new Map(), device);
  try {
    await (await runtime.createSession(model, undefined, { device, kept: [] })).release();
  } catch (cause) {
    // What stands before it is a place in ONNX Runtime's own sources.
    const reason = String(cause instanceof Error ? cause.message : cause)
      .split(" was false. ")
      .at(-1)!
      .trim();
    throw new InputError(
      "device",
      `is ${device}, which cannot be used here (${reason}): ${advice[device]}; or use cpu`,
      { cause },
    );
  }
}
