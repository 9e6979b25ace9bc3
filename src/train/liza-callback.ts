import { InputError } from "../errors.js";
import type { TpttModel } from "../tptt/tptt-model.js";
import type { Logs, TrainerCallback, TrainerEvent, TrainerState } from "./callback.js";

/** How the memory's share changes while a model is trained. */
export const lizaModes = ["gradual", "constant", "cyclic", "switch", "ramp"] as const;

/** One of {@link lizaModes}. */
export type LiZAMode = (typeof lizaModes)[number];

/** A number, or a list of which the first counts. */
export type NumberOrList = number | readonly number[];

/** Options of {@link LiZACallback}; the defaults are those of Python. */
export interface LiZACallbackOptions {
  readonly mode?: LiZAMode;
  readonly initialWeight?: NumberOrList;
  readonly finalWeight?: NumberOrList;
  /** Steps from the initial to the final weight. */
  readonly transitionStep?: NumberOrList;
  /** The weights that `cyclic` goes through, one a step; default: initial and final. */
  readonly weightList?: readonly NumberOrList[];
  /** Steps that `switch` stays on a side. */
  readonly switchPeriod?: number;
}

/** A schedule's options as it follows them. */
interface Schedule {
  readonly mode: LiZAMode;
  readonly initialWeight: number;
  readonly finalWeight: number;
  readonly transitionStep: number;
  readonly weightList: readonly number[];
  readonly switchPeriod: number;
}

/**
 * The schedule of mu, the memory's share (TPTT, arXiv 2506.17671): `gradual` goes in a line from the initial to the
 * final weight, `constant` stays on the final one, `cyclic` alternates between weights, `switch` turns the memory off
 * and on, `ramp` lets mu rise along the sequence, from 0 at the first token to what grows from 0 to 1 in the transition
 * at the last. (The code of tptt 0.12.1 has that mode, but fails in it.) What holds at step n is set before it is taken.
 * After the last step the memory is on, and where the weight alternated or rose along the sequence it is the final one
 * for every token: so the titan is left.
 */
export class LiZACallback implements TrainerCallback {
  readonly #model: TpttModel;
  readonly #options: Schedule;

  /** @throws InputError naming the option that is wrong. */
  constructor(model: TpttModel, options: LiZACallbackOptions = {}) {
    const { mode = "gradual", switchPeriod = 1 } = options;
    const initialWeight = first(options.initialWeight ?? 0);
    const finalWeight = first(options.finalWeight ?? 0.5);
    const transitionStep = ensureInt(options.transitionStep ?? 100, "liza_transition_steps");
    const weightList = options.weightList?.map(first) ?? [initialWeight, finalWeight];
    this.#model = model;
    this.#options = { mode, initialWeight, finalWeight, transitionStep, weightList, switchPeriod };
    if (!lizaModes.includes(mode)) {
      throw new InputError("liza_callback_mode", `is ${mode}, expected one of ${lizaModes.join(", ")}`);
    }
    if (mode !== "switch" && model.config.magMode === "dynamic") {
      throw new InputError(
        "liza_callback_mode",
        `is ${mode}, but mag_mode is dynamic: mu is learned; take switch, or no schedule`,
      );
    }
    for (const [name, weight] of Object.entries({
      liza_initial_weight: initialWeight,
      liza_final_weight: finalWeight,
    })) {
      if (!(weight >= 0 && weight <= 1))
        throw new InputError(name, `is ${weight}, expected a number from 0 to 1`);
    }
    for (const [name, steps] of Object.entries({
      liza_transition_steps: transitionStep,
      switch_period: switchPeriod,
    })) {
      if (!(Number.isInteger(steps) && steps > 0))
        throw new InputError(name, `is ${steps}, expected a positive integer`);
    }
    if (weightList.length === 0 || weightList.some((w) => !(w >= 0 && w <= 1))) {
      throw new InputError("weight_list", `is [${weightList}], expected numbers from 0 to 1`);
    }
  }

  /** Sets mu for the first step, of a resumed run too. */
  onTrainBegin({ state }: TrainerEvent): void {
    this.#apply(state);
  }

  /** Sets mu (or turns the memory on or off) for the next step. */
  onStepEnd({ state }: TrainerEvent): void {
    this.#apply(state);
  }

  /** Adds `mag_weight`, mu of the step, unless it is learned, and `disable_linear_attn`. */
  onLog(_: TrainerEvent, logs: Logs): void {
    if (this.#model.config.magMode === "constant") logs.mag_weight = this.#model.magWeight;
    logs.disable_linear_attn = this.#model.disableLinearAttn;
  }

  #apply({ globalStep: step, maxSteps }: TrainerState): void {
    const ended = step >= maxSteps;
    const { mode, initialWeight, finalWeight, transitionStep, weightList, switchPeriod } = this.#options;
    switch (mode) {
      case "gradual":
        this.#model.magWeight =
          initialWeight + (finalWeight - initialWeight) * Math.min(1, step / transitionStep);
        break;
      case "constant":
        this.#model.magWeight = finalWeight;
        break;
      case "cyclic":
        this.#model.magWeight = ended ? finalWeight : weightList[step % weightList.length]!;
        break;
      case "switch":
        this.#model.disableLinearAttn = !ended && Math.floor(step / switchPeriod) % 2 === 0;
        break;
      case "ramp":
        this.#model.magRamp = !ended;
        this.#model.magWeight = ended ? finalWeight : Math.min(1, step / transitionStep);
        break;
    }
  }
}

/** A number, or the first of a list. */
const first = (value: NumberOrList): number => (typeof value === "number" ? value : (value[0] ?? Number.NaN));

/**
 * Python's `ensure_int`: a whole number, or the first of a list, as a count of steps may be given.
 *
 * @param name what it is called, for errors. @throws InputError when it is not a whole number.
 */
export function ensureInt(value: number | readonly number[], name = "value"): number {
  const number = first(value);
  if (!Number.isInteger(number)) throw new InputError(name, `is ${number}, expected a whole number`);
  return number;
}
