import { Parameter, sizeOf, Tensor } from "../engine/index.js";
import type { Random } from "../random.js";
import { LayerNorm, RmsNorm } from "./layers.js";
import { LoraLinear } from "./lora.js";
import type { Module } from "./module.js";

/**
 * Random numbers for every parameter of a model, by name, as Hugging Face and PEFT draw them before any training:
 * weights normal with the module's standard deviation (0.02), norms 1 (0 where the model adds 1), biases 0, LoRA's A uniform in
 * +-1 / sqrt(in) (Kaiming with a = sqrt 5) and its B 0, so that an adapter changes nothing at first.
 *
 * @param wanted the parameters to draw for; all of them by default.
 */
export function initialTensors(
  root: Module,
  random: Random,
  wanted: (parameter: Parameter) => boolean = () => true,
): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  const set = (parameter: Parameter, draw: () => number) => {
    const { name, shape } = parameter;
    if (wanted(parameter))
      tensors.set(name, Tensor.f32(shape, Float32Array.from({ length: sizeOf(shape) }, draw)));
  };
  for (const [, module] of root.namedModules()) {
    if (module instanceof LoraLinear) {
      const bound = module.inFeatures ** -0.5;
      set(module.lora_A.weight, () => bound * (2 * random.uniform() - 1));
      set(module.lora_B.weight, () => 0);
    }
    for (const [key, child] of module.children()) {
      if (!(child instanceof Parameter) || tensors.has(child.name)) continue;
      if (key === "bias") set(child, () => 0);
      else if (module instanceof RmsNorm) set(child, () => 1 - module.offset);
      else if (module instanceof LayerNorm) set(child, () => 1);
      else set(child, () => module.initialStd * random.normal());
    }
  }
  return tensors;
}
