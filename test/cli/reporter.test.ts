import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createReporter, type Output } from "../../src/cli/reporter.js";
import { Sink, screen } from "./terminal.js";

const reporterTo = (stderr: Output, json = false) => {
  const stdout = new Sink();
  return { reporter: createReporter({ json, stdout, stderr }), stdout };
};

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("transfers are told in bytes", () => {
  test("with json as events, some seconds apart, the last always", () => {
    const { reporter, stdout } = reporterTo(new Sink(true), true);
    for (const bytes of [1, 2, 3]) reporter.transfer("download a/b", bytes, 3);
    expect(
      stdout.text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { event: "transfer", name: "download a/b", bytes: 1, total: 3 },
      { event: "transfer", name: "download a/b", bytes: 3, total: 3 },
    ]);
  });

  test("in a log file as lines, some seconds apart, with the time left", () => {
    const stderr = new Sink();
    const { reporter } = reporterTo(stderr);
    for (let done = 0; done <= 10; done++) {
      reporter.transfer("download a/b", done * 1e8, 1e9);
      vi.advanceTimersByTime(1000);
    }
    expect(stderr.text.split("\n")).toEqual([
      "download a/b 0.0/1.0 GB",
      "download a/b 0.5/1.0 GB, 5 s left",
      "download a/b 1.0/1.0 GB",
      "",
    ]);
  });

  test("on a terminal as a bar, which a line takes the place of at the end", () => {
    const stderr = new Sink(true);
    const { reporter } = reporterTo(stderr);
    reporter.transfer("download a/b", 2e6, 8e6);
    expect(screen(stderr.text)).toEqual([expect.stringMatching(/^\[=+-+\] download a\/b 2.0\/8.0 MB$/)]);
    reporter.transfer("download a/b", 8e6, 8e6);
    expect(screen(stderr.text)).toEqual(["download a/b 8.0/8.0 MB"]);
    reporter.close();
  });
});

describe("with json", () => {
  test("one object a line goes to stdout, the last with the event done, remarks to stderr", () => {
    const stderr = new Sink(true);
    const { reporter, stdout } = reporterTo(stderr, true);
    reporter.event("model", { parameters: 10, name: "a b" });
    reporter.progress(1, 2, { loss: 2.123456789, mu: undefined });
    reporter.note("a remark");
    reporter.done({ recall: [0.5, 1], loss: Number.NaN });
    reporter.close();
    expect(
      stdout.text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { event: "model", parameters: 10, name: "a b" },
      { event: "progress", step: 1, total: 2, loss: 2.123456789 },
      { event: "done", recall: [0.5, 1], loss: null },
    ]);
    expect(stderr.text).toBe("a remark\n");
  });
});

describe("in a log file", () => {
  test("lines are plain, on stderr, with the time left", () => {
    const stderr = new Sink();
    const { reporter, stdout } = reporterTo(stderr);
    reporter.event("model", { parameters: 268_098_176, layers: [0, 1] });
    reporter.progress(20, 200, {
      loss: 2.31049,
      mu: 0.05,
      learning_rate: 5e-4,
      tokens_per_second: 193.4,
      eval_loss: undefined,
    });
    vi.advanceTimersByTime(10_000);
    reporter.progress(40, 200, { loss: 2 });
    reporter.note("a remark");
    reporter.done({
      perplexity: 10.12345,
      loss: Number.NaN,
      best: null,
      eval_losses: [
        { step: 0, loss: 3.51239 },
        { step: 40, loss: 2 },
      ],
    });
    reporter.close();
    expect(stderr.text.split("\n")).toEqual([
      "model parameters 268098176 layers 0, 1",
      "step 20/200 loss 2.31 mu 0.05 learning rate 0.0005 tokens/s 193.4",
      "step 40/200 loss 2, 80 s left",
      "a remark",
      "done perplexity 10.12 loss NaN best null eval losses step 0 loss 3.512, step 40 loss 2",
      "",
    ]);
    expect(stdout.text).toBe("");
  });

  test("progress is a line every five seconds, and the last step always", () => {
    const stderr = new Sink();
    const { reporter } = reporterTo(stderr);
    for (let step = 1; step <= 21; step++) {
      reporter.progress(step, 21, {});
      vi.advanceTimersByTime(1000);
    }
    expect(
      stderr.text
        .trimEnd()
        .split("\n")
        .map((line) => line.split(",")[0]),
    ).toEqual([1, 6, 11, 16, 21].map((step) => `step ${step}/21`));
  });

  test("with logging steps, a line is due every so many steps, for programs too", () => {
    const stderr = new Sink();
    const stdout = new Sink();
    for (const json of [false, true]) {
      const reporter = createReporter({ json, stdout, stderr, loggingSteps: 4 });
      for (let step = 1; step <= 9; step++) reporter.progress(step, 9, {});
    }
    expect(stderr.text.match(/step \d/g)).toEqual(["step 4", "step 8", "step 9"]);
    expect(stdout.text.match(/"step":\d/g)).toEqual(['"step":4', '"step":8', '"step":9']);
  });

  test("long times are given in minutes and hours", () => {
    const stderr = new Sink();
    const { reporter } = reporterTo(stderr);
    reporter.progress(1, 1001, {});
    vi.advanceTimersByTime(5000);
    reporter.progress(2, 1001, {});
    vi.advanceTimersByTime(60_000);
    reporter.progress(1000, 1001, {});
    reporter.progress(1, 101, {});
    vi.advanceTimersByTime(6000);
    reporter.progress(2, 101, {});
    vi.advanceTimersByTime(5000);
    reporter.progress(1, 10_001, {});
    vi.advanceTimersByTime(5000);
    reporter.progress(2, 10_001, {});
    const left = stderr.text.match(/[^,]+ left/g);
    expect(left).toEqual([" 84 min left", " 1 s left", " 10 min left", " 13 h 54 min left"]);
  });
});

describe("on a terminal", () => {
  test("a bar is drawn with the same words, cut to the width", () => {
    const stderr = new Sink(true);
    const { reporter } = reporterTo(stderr);
    reporter.progress(10, 20, { loss: 2.31 });
    vi.advanceTimersByTime(1000);
    reporter.progress(15, 20, { loss: 1.5, remark: "x".repeat(200) });
    vi.advanceTimersByTime(1000);
    reporter.close();
    expect(stderr.text).toContain("[==========----------] 10/20 loss 2.31");
    const drawn = stderr.text.split("\u001b").flatMap((part) => part.match(/\[=+-*\].*/) ?? []);
    expect(
      drawn.some((bar) => bar.startsWith("[===============-----] 15/20, 1 s left, loss 1.5 remark xxx")),
    ).toBe(true);
    expect(Math.max(...drawn.map((bar) => bar.trimEnd().length))).toBe(79);
  });

  test("a remark takes the bar's line, and the bar is drawn again below", () => {
    const stderr = new Sink(true);
    const { reporter } = reporterTo(stderr);
    reporter.progress(10, 20, {});
    reporter.event("checkpoint", { step: 10 });
    reporter.close();
    expect(screen(stderr.text)).toEqual(["checkpoint step 10"]);
    expect(stderr.text.split("checkpoint step 10\n")[1]).toContain("[==========----------] 10/20");
  });

  test("what stays is the last step and the result", () => {
    const stderr = new Sink(true);
    const { reporter } = reporterTo(stderr);
    for (let step = 1; step <= 4; step++) {
      reporter.progress(step, 4, { loss: 1 / step });
      reporter.note(`remark ${step}`);
    }
    reporter.done({ loss: 0.25 });
    expect(screen(stderr.text)).toEqual([
      "remark 1",
      "remark 2",
      "remark 3",
      "step 4/4 loss 0.25",
      "remark 4",
      "done loss 0.25",
    ]);
  });

  test.each(["the last step", "done", "close"])(
    "%s leaves no timer that would keep the program alive",
    (end) => {
      const { reporter } = reporterTo(new Sink(true));
      reporter.progress(1, 2, {});
      expect(vi.getTimerCount()).toBe(1);
      if (end === "done") reporter.done({});
      else if (end === "close") reporter.close();
      else reporter.progress(2, 2, {});
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  test("a second piece of work gets a bar of its own", () => {
    const stderr = new Sink(true);
    const { reporter } = reporterTo(stderr);
    reporter.progress(2, 2, {});
    stderr.text = "";
    reporter.progress(1, 4, {});
    reporter.close();
    expect(stderr.text).toContain("[=====---------------] 1/4");
  });
});
