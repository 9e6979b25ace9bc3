import { existsSync, readFileSync } from "node:fs";
import { describe } from "vitest";

/** The software driver for Vulkan of Debian's package chromium. */
const swiftShader = "/usr/lib/chromium/vk_swiftshader_icd.json";
/** That of Mesa, Debian's package mesa-vulkan-drivers: from version 25 it has what WebGPU asks for, and half precision. */
const lavapipe = ["/usr/share/vulkan/icd.d/lvp_icd.json", "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json"].find(
  (path) => existsSync(path) && / "1\.(?:[4-9]|\d\d)/.test(readFileSync(path, "utf8")),
);

/** The driver that knows half precision, unless the environment names one. */
const driver = lavapipe ?? (existsSync(swiftShader) ? swiftShader : undefined);
if (driver) {
  process.env.VK_DRIVER_FILES ??= driver;
  process.env.XDG_RUNTIME_DIR ??= "/tmp";
}

/** Tests that need a WebGPU device; skipped where there is no driver for one. */
export const describeOnWebgpu: typeof describe.skip = driver ? describe : describe.skip;
/** Tests that need one with half precision. */
export const describeOnHalfWebgpu: typeof describe.skip =
  driver === undefined || process.env.VK_DRIVER_FILES === swiftShader ? describe.skip : describe;
