import { cp } from "node:fs/promises";
import { join } from "node:path";
import type { Tensor } from "../../src/engine/index.js";
import { writeSafetensors } from "../../src/io/safetensors.js";
import { readTensors } from "../tensors.js";
import { fixtureFolder, temporaryFolder } from "./fixture.js";

/** A copy of a tiny model's folder whose tensors have other names, or are left out. */
export async function rewrittenFixture(
  name: string,
  rename: (tensor: string) => string | undefined,
): Promise<string> {
  const folder = await temporaryFolder();
  await cp(fixtureFolder(name), folder, { recursive: true });
  const file = join(folder, "model.safetensors");
  const renamed = [...(await readTensors(file))].flatMap(([name, tensor]): [string, Tensor][] => {
    const other = rename(name);
    return other === undefined ? [] : [[other, tensor]];
  });
  await writeSafetensors(file, new Map(renamed));
  return folder;
}
