import type { Metrics } from "../io/metrics.js";

/** Takes what a run measures, in the order of its steps. */
export interface MetricsSink {
  append(metrics: Metrics): Promise<void>;
  close(): Promise<void>;
}
