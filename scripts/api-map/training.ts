import type { ModuleMap } from "./entry.js";

const liza = "test/train/liza-callback.test.ts";
const args = { none: "what a callback needs of them is in `state`" };
const kwargs = { none: "an event has no more than its named parts" };

export const training: ModuleMap<"train_tptt"> = {
  "train_tptt.LiZACallback": {
    ours: "LiZACallback",
    test: liza,
    arguments: {
      model: { parameter: "model" },
      mode: { option: "mode", note: "`ramp` too, in which Python's code fails" },
      initial_weight: "initialWeight",
      final_weight: "finalWeight",
      transition_step: "transitionStep",
      weight_list: "weightList",
      switch_period: "switchPeriod",
    },
  },
  "train_tptt.LiZACallback.on_step_end": {
    ours: "LiZACallback.onStepEnd",
    test: liza,
    arguments: { args, state: "state", control: "control", "**kwargs": kwargs },
  },
  "train_tptt.LiZACallback.on_log": {
    ours: "LiZACallback.onLog",
    test: liza,
    arguments: { args, state: "state", control: "control", logs: { parameter: "logs" }, "**kwargs": kwargs },
  },
  "train_tptt.ensure_int": { ours: "ensureInt", test: liza, arguments: { value: { parameter: "value" } } },
  "train_tptt.SaveBestModelCallback": {
    ours: "SaveBestModelCallback",
    test: "test/train/save-best-model-callback.test.ts",
  },
  "train_tptt.SaveBestModelCallback.on_evaluate": {
    ours: "SaveBestModelCallback.onEvaluate",
    test: "test/train/save-best-model-callback.test.ts",
    arguments: {
      args,
      state: "state",
      control: "control",
      metrics: { none: "the lowest evaluation loss so far is `state.best`" },
      "**kwargs": kwargs,
    },
  },
};
