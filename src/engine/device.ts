/** All devices. */
export const devices = ["cpu", "webgpu", "cuda"] as const;
/**
 * Where graphs run: the processor, or a GPU by WebGPU (through Vulkan, Metal or Direct3D 12; in a browser too) or by
 * CUDA (NVIDIA, Node only).
 */
export type Device = (typeof devices)[number];

/** Whether results can stay in a device's memory between runs (`keep` of {@link compile}). */
export const keepsResults = (device: Device): boolean => device === "webgpu";
