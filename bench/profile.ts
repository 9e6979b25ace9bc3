import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WorkerProcess } from "./process.js";
import type { Side } from "./row.js";

/** Where the time of some work goes. */
export interface Profile {
  readonly work: string;
  /** Seconds in all kernels. */
  readonly seconds: number;
  /** The largest shares first. */
  readonly byOp: readonly Share[];
  readonly byLayer: readonly Share[];
  /** By what all layers have, such as their memories. */
  readonly byPart: readonly Share[];
}

/** A part of the time. */
export interface Share {
  readonly name: string;
  readonly seconds: number;
  /** How many times a kernel ran. */
  readonly count: number;
}

/** One event of ONNX Runtime's profile, a Chrome trace: microseconds. */
export interface TraceEvent {
  readonly cat: string;
  readonly name: string;
  readonly ts: number;
  readonly dur: number;
  readonly args?: { readonly op_name?: string };
}

/** Runs work in a process of its own that writes ONNX Runtime's profile, and sums it up. */
export async function profileSide(work: string, side: Side): Promise<Profile> {
  const folder = await mkdtemp(join(tmpdir(), "tptt-bench-"));
  try {
    const { worker } = await WorkerProcess.start(side, { profile: join(folder, "profile") });
    await worker.repeat();
    await worker.end();
    const traces: TraceEvent[][] = [];
    for (const name of await readdir(folder))
      traces.push(JSON.parse(await readFile(join(folder, name), "utf8")) as TraceEvent[]);
    return summarize(work, traces);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Adds up the kernels of traces by op type and by layer. */
export function summarize(work: string, traces: readonly (readonly TraceEvent[])[]): Profile {
  const kernels = traces.flatMap(selfTimes);
  const sum = (keyOf: (kernel: Kernel) => string): Share[] => {
    const shares = new Map<string, { name: string; seconds: number; count: number }>();
    for (const kernel of kernels) {
      const name = keyOf(kernel);
      const share = shares.get(name) ?? { name, seconds: 0, count: 0 };
      share.seconds += kernel.seconds;
      share.count++;
      shares.set(name, share);
    }
    return [...shares.values()].sort((a, b) => b.seconds - a.seconds);
  };
  return {
    work,
    seconds: kernels.reduce((total, { seconds }) => total + seconds, 0),
    byOp: sum(({ op }) => op),
    byLayer: sum(({ layer }) => layer),
    byPart: sum(({ part }) => part),
  };
}

interface Kernel {
  readonly op: string;
  readonly layer: string;
  readonly part: string;
  /** Without what ran inside of it. */
  seconds: number;
}

/** The kernels of one trace. The body of a loop runs inside of the loop's own event: what is inside counts once. */
function selfTimes(trace: readonly TraceEvent[]): Kernel[] {
  const events = trace
    .filter(({ cat, name }) => cat === "Node" && name.endsWith("_kernel_time"))
    .sort((a, b) => a.ts - b.ts || b.dur - a.dur);
  const open: { kernel: Kernel; end: number }[] = [];
  return events.map(({ name, ts, dur, args }) => {
    while (open.length > 0 && open.at(-1)!.end <= ts) open.pop();
    const kernel = {
      op: args?.op_name ?? "unknown",
      layer: layerOf(name),
      part: partOf(name),
      seconds: dur / 1e6,
    };
    const outer = open.at(-1);
    if (outer) outer.kernel.seconds -= kernel.seconds;
    open.push({ kernel, end: ts + dur });
    return kernel;
  });
}

/** Nodes are called after the part of the model that they were made for, such as `layers.3/memory#v17`. */
const scopeOf = (name: string): string => /^(.*)#/.exec(name)?.[1] ?? "";

const layerOf = (name: string): string => scopeOf(name).split("/")[0] || "outside of the layers";

/** The same part of all layers. */
const partOf = (name: string): string => {
  const [layer, part] = scopeOf(name).split("/");
  if (part) return part;
  return layer?.startsWith("layers.") ? "projections, norms, LoRA" : layerOf(name);
};
