import { cp } from "node:fs/promises";
import { join } from "node:path";
import type { Tensor } from "../../src/engine/index.js";
import { openSafetensorsFile, writeSafetensors } from "../../src/io/safetensors.js";
import { fixtureFolder, temporaryFolder } from "./fixture.js";

/** A copy of a tiny model's folder whose tensors have other names, or are left out. */
export async function rewrittenFixture(
  name: string,
  rename: (tensor: string) => string | undefined,
): Promise<string> {
  const folder = await temporaryFolder();
  await cp(fixtureFolder(name), folder, { recursive: true });
  const source = await openSafetensorsFile(join(fixtureFolder(name), "model.safetensors"));
  const tensors = new Map<string, Tensor>();
  for (const tensor of source.tensors.keys()) {
    const renamed = rename(tensor);
    if (renamed !== undefined) tensors.set(renamed, await source.read(tensor));
  }
  await source.close();
  await writeSafetensors(join(folder, "model.safetensors"), tensors);
  return folder;
}
