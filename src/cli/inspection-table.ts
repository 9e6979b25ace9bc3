import type { Inspection } from "./inspection.js";

/** What is told of a model, for a person. */
export function inspectionTable(of: Inspection): string {
  const { operator, trainable, memory } = of;
  const share = ((100 * trainable.parameters) / of.parameters).toPrecision(2);
  const step = memory.training_step;
  const sections: Record<string, string[]> = {
    model: [
      `${of.model} (${of.kind}${of.kind === "base model" ? "" : ` of ${of.base_model}`}, ${of.family})`,
      `${number(of.parameters)} parameters, ${of.layers} layers of ${of.hidden_size}, ${of.vocabulary === null ? "" : `vocabulary ${number(of.vocabulary)}, `}positions ${number(of.positions)}`,
      `attention: ${of.heads} heads of ${of.head_dim}, ${of.key_value_heads} of keys and values`,
    ],
    stored: Object.entries(of.stored).map(
      ([type, { tensors, bytes }]) => `${type} ${size(bytes)} in ${tensors} tensors`,
    ),
    memories: [
      `${operator.mode ?? "custom"}: order ${operator.order}, alpha gate ${operator.alpha_gate}, beta gate ${operator.beta_gate}, trick ${operator.trick}, ${operator.linear ? "linear" : "not linear"}`,
      ...of.wrapped.map(({ name, window }) => `${name}, ${window === null ? "global" : `window ${window}`}`),
    ],
    trainable: [
      `${number(trainable.parameters)} parameters (${share} %), LoRA r ${trainable.lora_r}, alpha ${trainable.lora_alpha}`,
    ],
    needed: [
      `${size(memory.weights)} for the weights as f32`,
      ...memory.states.map(
        ({ tokens, mixed, memory_only }) =>
          `${mixed === null ? "" : `${size(mixed)}, `}${size(memory_only)} at mu = 1, for the state after ${number(tokens)} tokens`,
      ),
      ...(step
        ? [
            `about ${size(step.bytes)} for training with batches of ${step.batch_size} x ${step.max_length} tokens`,
          ]
        : []),
    ],
  };
  const lines = Object.entries(sections).flatMap(([title, [first, ...rest]]) => [
    `${title.padEnd(10)} ${first}`,
    ...rest.map((line) => `${"".padEnd(10)} ${line}`),
  ]);
  return `${lines.join("\n")}\n`;
}

const number = (value: number): string => value.toLocaleString("en-US");

function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${units[power]}`;
}
