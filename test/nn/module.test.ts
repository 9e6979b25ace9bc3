import { expect, test } from "vitest";
import { Linear, RmsNorm } from "../../src/nn/layers.js";
import { Module, nameParameters } from "../../src/nn/module.js";

class Block extends Module {
  readonly norm = new RmsNorm(2, 1e-6);
  proj: Module = new Linear(2, 3, { bias: true });
}

class Model extends Module {
  readonly layers = [new Block(), new Block()];
  readonly sizes = [1, 2];
  readonly tied: Linear;

  constructor() {
    super();
    this.tied = new Linear(2, 3);
    this.tied.weight = (this.layers[0]!.proj as Linear).weight;
  }
}

test("parameters are named by the path of properties", () => {
  expect([...new Model().namedParameters()].map(([name, { shape }]) => `${name} [${shape}]`)).toEqual([
    "layers.0.norm.weight [2]",
    "layers.0.proj.weight [3,2]",
    "layers.0.proj.bias [3]",
    "layers.1.norm.weight [2]",
    "layers.1.proj.weight [3,2]",
    "layers.1.proj.bias [3]",
    "tied.weight [3,2]",
  ]);
});

test("modules come parents first, the root without a name", () => {
  const names = [...new Model().namedModules()].map(([name]) => name);
  expect(names.slice(0, 4)).toEqual(["", "layers.0", "layers.0.norm", "layers.0.proj"]);
});

test("a shared parameter keeps its first name", () => {
  const model = new Model();
  nameParameters(model);
  expect(model.tied.weight.name).toBe("layers.0.proj.weight");
});

test("a module can be found and replaced by its path, and names survive a move", () => {
  const model = new Model();
  nameParameters(model);
  const wrapper = new (class extends Module {
    readonly base = model.get("layers.1.proj");
  })();
  model.set("layers.1.proj", wrapper);
  expect(model.get("layers.1.proj")).toBe(wrapper);
  expect((model.get("layers.1.proj.base") as Linear).weight.name).toBe("layers.1.proj.weight");
  expect(() => model.get("layers.2")).toThrow("Model: no module layers.2");
});
