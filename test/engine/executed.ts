import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CompileOptions, compile, type RunInputs } from "../../src/engine/index.js";
import type { MapTree } from "../../src/engine/tree.js";
import type { TypeInfo, Value } from "../../src/engine/value.js";

/** A kernel that ran. */
export interface Executed {
  readonly op: string;
  /** The part of the model that it was made for. */
  readonly scope: string;
}

/** What a run of a function executes, in its order, from ONNX Runtime's own profile; what is inside of a loop too. */
export async function executed<const I extends object>(
  fn: (inputs: MapTree<I, TypeInfo, Value>) => object,
  options: CompileOptions<I>,
  inputs: RunInputs<I>,
): Promise<Executed[]> {
  const folder = await mkdtemp(join(tmpdir(), "tptt-profile-"));
  try {
    const graph = await compile(fn, { ...options, profile: join(folder, "run") });
    await graph.run(inputs);
    await graph.release();
    const [file] = await readdir(folder);
    const events = JSON.parse(await readFile(join(folder, file!), "utf8")) as {
      name: string;
      args?: { op_name?: string };
    }[];
    return events
      .filter(({ name }) => name.endsWith("_kernel_time"))
      .map(({ name, args }) => ({ op: args!.op_name!, scope: /^(.*)#/.exec(name)?.[1] ?? "" }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
