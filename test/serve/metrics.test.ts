import { expect, test } from "vitest";
import { Counter, Gauge, Histogram } from "../../src/serve/metrics.js";

test("a counter has a line for each set of labels, whose values are escaped", () => {
  const counter = new Counter("texts_total", "Texts.");
  counter.add({ model: 'a"\\\n' });
  counter.add({ model: "b" }, 5);
  counter.add({ model: "b" }, 2);
  expect(counter.render()).toBe(
    '# HELP texts_total Texts.\n# TYPE texts_total counter\ntexts_total{model="a\\"\\\\\\n"} 1\ntexts_total{model="b"} 7\n',
  );
});

test("a gauge is read when it is asked for", () => {
  let value = 1;
  const gauge = new Gauge("queue", "Waiting.", () => value);
  value = 3;
  expect(gauge.render()).toContain("queue 3\n");
});

test("a histogram counts what was at most as long as each of its bounds", () => {
  const histogram = new Histogram("seconds", "Time.");
  expect(histogram.mean).toBe(0);
  for (const value of [0.01, 0.3, 0.3, 1000]) histogram.observe(value);
  const lines = histogram.render().split("\n");
  expect(lines).toContain('seconds_bucket{le="0.01"} 1');
  expect(lines).toContain('seconds_bucket{le="0.25"} 1');
  expect(lines).toContain('seconds_bucket{le="0.5"} 3');
  expect(lines).toContain('seconds_bucket{le="250"} 3');
  expect(lines).toContain('seconds_bucket{le="+Inf"} 4');
  expect(lines).toContain("seconds_count 4");
  expect(histogram.mean).toBeCloseTo(250.1525);
});
