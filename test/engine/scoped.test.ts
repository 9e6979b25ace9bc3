import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import {
  checkpoint,
  compile,
  exp,
  Parameter,
  scoped,
  sum,
  Tensor,
  valueAndGrad,
} from "../../src/engine/index.js";

it("tells a profile the part of a model that a node belongs to, also of gradients and of what is computed again", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tptt-"));
  try {
    const weight = new Parameter("f32", [2]);
    weight.name = "weight";
    weight.trainable = true;
    const twice = () => checkpoint(([x]) => scoped("inner", () => exp(exp(x!))), [weight]);
    const graph = await compile(
      valueAndGrad(() => sum(scoped("outer", twice))),
      { inputs: {}, profile: join(folder, "profile") },
    );
    await graph.run({ params: { weight: Tensor.f32([2], [0.1, 0.2]) } });
    await graph.release();
    const [file] = await readdir(folder);
    const events = JSON.parse(await readFile(join(folder, file!), "utf8")) as {
      name: string;
      args?: { op_name?: string };
    }[];
    const scopes = events
      .filter(({ name }) => name.endsWith("_kernel_time"))
      .map(({ name, args }) => `${args!.op_name} ${/^(.*)#/.exec(name)![1]}`);
    expect(scopes.filter((scope) => scope.startsWith("Exp"))).toContain("Exp outer/inner");
    expect(scopes.filter((scope) => scope.startsWith("Mul"))).toContain("Mul outer/inner");
    expect(scopes.filter((scope) => scope.startsWith("Exp ") && scope !== "Exp outer/inner")).toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
