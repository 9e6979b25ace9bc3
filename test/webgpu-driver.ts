import { existsSync } from "node:fs";
import { describe } from "vitest";

/** The software driver for Vulkan of Debian's package chromium. */
const driver = "/usr/lib/chromium/vk_swiftshader_icd.json";

const found = existsSync(driver);
if (found) {
  process.env.VK_DRIVER_FILES ??= driver;
  process.env.XDG_RUNTIME_DIR ??= "/tmp";
}

/** Tests that need a WebGPU device; skipped where there is no driver for one. */
export const describeOnWebgpu: typeof describe.skip = found ? describe : describe.skip;
