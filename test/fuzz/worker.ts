import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Random } from "../../src/random.js";
import { allocatedBytes } from "./allocations.js";
import { floor, type Job, longest, type Message, placeFile, type Tally } from "./protocol.js";
import type { Reader, Sample } from "./sample.js";

/*
 * A process of the fuzzer: changes samples, reads them, and tells what it must not have seen. What ends the process or
 * never ends is seen by the one that started it.
 */

const { steps } = await import("./sample.js");

const job: Job = JSON.parse(process.argv[2]!);
const { readers }: { readers: readonly Reader[] } = await import(job.module);
const chosen = readers.filter(({ name }) => job.readers.includes(name));
const samples = await Promise.all(chosen.map((reader) => reader.samples(job.root)));
const send = (message: Message) => process.send?.(message);

/** Reads a sample's file; tells why it was refused, if it was, and what it took. */
async function measured(sample: Sample) {
  const before = { cpu: process.cpuUsage(), wall: performance.now(), bytes: allocatedBytes() };
  const resident = process.memoryUsage.rss();
  const { step, refused } = steps();
  await sample.read(step);
  const cpu = process.cpuUsage(before.cpu);
  // Of a busy machine's time only what was spent here counts; of several threads' only what was waited for.
  const milliseconds = Math.min((cpu.user + cpu.system) / 1000, performance.now() - before.wall);
  const bytes = allocatedBytes() - before.bytes;
  return { refused: refused(), milliseconds, bytes, resident };
}

/** The most memory that the process ever held, in bytes. */
const peak = () => process.resourceUsage().maxRSS * 1024;

/** A sound file is read as any other, and accepted. */
for (const [i, { name }] of chosen.entries()) {
  for (const sample of samples[i]!) {
    writeFileSync(join(sample.folder, sample.file), sample.bytes);
    const { refused } = await measured(sample);
    if (refused !== undefined)
      throw new Error(`${name}: the sound ${sample.file} is refused`, { cause: refused });
  }
}

for (let at = job.first; at < job.count; at += job.stride) {
  for (const [i, { name }] of chosen.entries()) {
    if (at === job.first && i < job.done) continue;
    const seed = job.seed + at;
    const random = Random.for(seed, name);
    const sample = random.choice(samples[i]!);
    const bytes = sample.mutate(sample.bytes, random);
    const path = join(sample.folder, sample.file);
    writeFileSync(path, bytes);
    writeFileSync(join(job.root, placeFile), JSON.stringify({ case: at, reader: i, path }));
    const tally: Tally = { files: 1, refused: 0, slowest: 0, largest: 0 };
    const highest = peak();
    const fail = (problem: string) =>
      send({ type: "failure", failure: { reader: name, seed, file: sample.file, problem }, path });
    try {
      const { refused, milliseconds, bytes: asked, resident } = await measured(sample);
      const allowed = 4 * bytes.length + floor;
      if (milliseconds > 1000 * longest) fail(`took ${Math.round(milliseconds)} ms`);
      if (asked > allowed) fail(`asked for buffers of ${asked} bytes, the file has ${bytes.length}`);
      const now = peak();
      if (now > highest && now - resident > allowed)
        fail(`took ${now - resident} bytes of memory, the file has ${bytes.length}`);
      tally.refused = Number(refused !== undefined);
      tally.slowest = milliseconds;
      tally.largest = asked;
    } catch (error) {
      fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    send({ type: "tally", reader: name, tally });
  }
}
send({ type: "done" });
process.disconnect?.();
