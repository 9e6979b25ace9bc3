import { describe, expect, test } from "vitest";
import type { TpttModel } from "../../src/tptt/tptt-model.js";
import type { Logs, TrainerEvent } from "../../src/train/callback.js";
import {
  ensureInt,
  LiZACallback,
  type LiZACallbackOptions,
  lizaModes,
} from "../../src/train/liza-callback.js";

/** As much of a model as the callback touches. */
const newModel = (magMode = "constant") =>
  ({ magWeight: 0.3, disableLinearAttn: false, magRamp: false, config: { magMode } }) as TpttModel;

function eventAt(model: TpttModel, globalStep: number): TrainerEvent {
  const control = { shouldSave: false, shouldEvaluate: false, shouldStop: false };
  return { model, state: { globalStep, maxSteps: 100, best: undefined }, control };
}

/** What holds at each step of a run that begins at `first`. */
function schedule(options: LiZACallbackOptions, steps: number, first = 0) {
  const model = newModel();
  const callback = new LiZACallback(model, options);
  callback.onTrainBegin(eventAt(model, first));
  return Array.from({ length: steps }, (_, i) => {
    const mu = model.magRamp ? `to ${model.magWeight}` : model.magWeight;
    const now = model.disableLinearAttn ? "off" : mu;
    callback.onStepEnd(eventAt(model, first + i + 1));
    return now;
  });
}

describe("LiZACallback", () => {
  test.each([
    [{}, 3, [0, 0.005, 0.01]],
    [{ transitionStep: 4 }, 7, [0, 0.125, 0.25, 0.375, 0.5, 0.5, 0.5]],
    [{ initialWeight: 1, finalWeight: 0, transitionStep: 2 }, 4, [1, 0.5, 0, 0]],
    [{ transitionStep: 1 }, 3, [0, 0.5, 0.5]],
    [{ mode: "constant" }, 3, [0.5, 0.5, 0.5]],
    [{ mode: "constant", finalWeight: 1 }, 2, [1, 1]],
    [{ mode: "cyclic" }, 5, [0, 0.5, 0, 0.5, 0]],
    [{ mode: "cyclic", weightList: [0.25, 0.5, 1] }, 5, [0.25, 0.5, 1, 0.25, 0.5]],
    [{ mode: "switch" }, 4, ["off", 0.3, "off", 0.3]],
    [{ mode: "switch", switchPeriod: 2 }, 5, ["off", "off", 0.3, 0.3, "off"]],
    [{ mode: "ramp", transitionStep: 4 }, 6, ["to 0", "to 0.25", "to 0.5", "to 0.75", "to 1", "to 1"]],
    [{ initialWeight: [0.5, 9], finalWeight: [1], transitionStep: [2, 9] }, 4, [0.5, 0.75, 1, 1]],
    [{ mode: "cyclic", weightList: [[0.25, 9], 1] }, 3, [0.25, 1, 0.25]],
  ] as [LiZACallbackOptions, number, unknown[]][])("%j over %i steps", (options, steps, expected) => {
    expect(schedule(options, steps)).toEqual(expected);
  });

  test.each(lizaModes)("a resumed run goes on where %s was", (mode) => {
    const options = { mode, transitionStep: 4, switchPeriod: 2 } as const;
    expect(schedule(options, 4, 3)).toEqual(schedule(options, 7).slice(3));
  });

  test.each([
    [{ mode: "cyclic" }, { magWeight: 0.5, disableLinearAttn: false }],
    [{ mode: "ramp" }, { magWeight: 0.5, disableLinearAttn: false }],
    [
      { mode: "ramp", finalWeight: 0.8 },
      { magWeight: 0.8, disableLinearAttn: false },
    ],
    [
      { mode: "cyclic", weightList: [1, 0], finalWeight: 0.7 },
      { magWeight: 0.7, disableLinearAttn: false },
    ],
    [{ mode: "switch" }, { magWeight: 0.3, disableLinearAttn: false }],
  ] as [LiZACallbackOptions, Partial<TpttModel>][])(
    "after the last step of %j the memory is on",
    (options, left) => {
      const model = newModel();
      const callback = new LiZACallback(model, options);
      callback.onStepEnd(eventAt(model, 99));
      callback.onStepEnd(eventAt(model, 100));
      expect(model).toEqual({ ...left, magRamp: false, config: { magMode: "constant" } });
    },
  );

  test("what holds at a step is logged with it", () => {
    const model = newModel();
    const callback = new LiZACallback(model, { mode: "switch" });
    const logs: Logs = { loss: 1 };
    callback.onTrainBegin(eventAt(model, 0));
    callback.onLog(eventAt(model, 1), logs);
    expect(logs).toEqual({ loss: 1, mag_weight: 0.3, disable_linear_attn: true });
  });

  test.each([
    [
      { mode: "slow" },
      "liza_callback_mode: is slow, expected one of gradual, constant, cyclic, switch, ramp",
    ],
    [{ initialWeight: -0.1 }, "liza_initial_weight: is -0.1, expected a number from 0 to 1"],
    [{ finalWeight: 1.5 }, "liza_final_weight: is 1.5, expected a number from 0 to 1"],
    [{ finalWeight: Number.NaN }, "liza_final_weight: is NaN"],
    [{ transitionStep: 0 }, "liza_transition_steps: is 0, expected a positive integer"],
    [{ transitionStep: 2.5 }, "liza_transition_steps: is 2.5, expected a whole number"],
    [{ transitionStep: [] }, "liza_transition_steps: is NaN, expected a whole number"],
    [{ initialWeight: [] }, "liza_initial_weight: is NaN"],
    [{ switchPeriod: 0 }, "switch_period: is 0, expected a positive integer"],
    [{ weightList: [] }, "weight_list: is [], expected numbers from 0 to 1"],
    [{ weightList: [0.5, 2] }, "weight_list: is [0.5,2], expected numbers from 0 to 1"],
  ])("%j is refused", (options, message) => {
    expect(() => new LiZACallback(newModel(), options as LiZACallbackOptions)).toThrow(message);
  });

  test("a learned mu follows no schedule, but may be switched off and on", () => {
    expect(() => new LiZACallback(newModel("dynamic"), { mode: "gradual" })).toThrow(
      "liza_callback_mode: is gradual, but mag_mode is dynamic: mu is learned; take switch, or no schedule",
    );
    const model = newModel("dynamic");
    new LiZACallback(model, { mode: "switch" }).onTrainBegin(eventAt(model, 0));
    expect(model.disableLinearAttn).toBe(true);
    const logs: Logs = {};
    new LiZACallback(model, { mode: "switch" }).onLog(eventAt(model, 1), logs);
    expect(logs).toEqual({ disable_linear_attn: true });
  });
});

test("ensureInt takes a whole number, or the first of a list", () => {
  expect([ensureInt(3), ensureInt([4, 5])]).toEqual([3, 4]);
  expect(() => ensureInt([2.5])).toThrow("value: is 2.5, expected a whole number");
});
