import { Parameter } from "../engine/index.js";

/**
 * A part of a model: parameters and other modules as properties. A parameter's name is its path of property names, so
 * properties are spelled as in the Hugging Face checkpoint (`self_attn.q_proj.weight`) and weights load without a
 * mapping table.
 */
export abstract class Module {
  /** Standard deviation of its weights before any training: `initializer_range` of Hugging Face configs. */
  get initialStd(): number {
    return 0.02;
  }

  /** Modules and parameters among the properties, lists included, with their names. */
  *children(): Generator<[name: string, child: Module | Parameter]> {
    for (const [key, value] of Object.entries(this)) {
      if (value instanceof Module || value instanceof Parameter) yield [key, value];
      else if (Array.isArray(value)) {
        for (const [i, item] of value.entries()) if (item instanceof Module) yield [`${key}.${i}`, item];
      }
    }
  }

  /** This module and all below it, parents first; the name of the root is empty. */
  *namedModules(prefix = ""): Generator<[name: string, module: Module]> {
    yield [prefix, this];
    for (const [name, child] of this.children()) {
      if (child instanceof Module) yield* child.namedModules(join(prefix, name));
    }
  }

  /** All parameters with their paths; a parameter that two modules share has both. */
  *namedParameters(): Generator<[name: string, parameter: Parameter]> {
    for (const [path, module] of this.namedModules()) {
      for (const [name, child] of module.children())
        if (child instanceof Parameter) yield [join(path, name), child];
    }
  }

  /** The module at a path. @throws Error when there is none. */
  get(path: string): Module {
    for (const [name, module] of this.namedModules()) if (name === path) return module;
    throw new Error(`${this.constructor.name}: no module ${path}`);
  }

  /** Puts another module in the place of the one at a path. */
  set(path: string, module: Module): void {
    const parts = path.split(".");
    const key = parts.pop()!;
    // A list is a step of the path between two modules: `layers.0`.
    const parent = parts.reduce<object>((node, part) => (node as Record<string, object>)[part]!, this);
    (parent as Record<string, Module>)[key] = module;
  }
}

/** Gives every parameter its path as name, where it has none yet: names survive later changes of the tree. */
export function nameParameters(root: Module): void {
  for (const [name, parameter] of root.namedParameters()) parameter.name ||= name;
}

const join = (prefix: string, name: string): string => (prefix ? `${prefix}.${name}` : name);
