import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readEvents } from "../../io/event-records.js";
import { openWorkspace, problems, tptt } from "../workspace.js";

test("a training run with --report-to is followed by TensorBoard and drawn by plot", async () => {
  const { folder, model, write } = await openWorkspace();
  const dataset = await write("data.jsonl", problems);
  const train = (name: string, ...more: string[]) =>
    tptt([
      ...["train", "--model", model, "--dataset", dataset, "--output", join(folder, name)],
      ...["--batch-size", "2", "--max-steps", "3", "--eval-samples", "2", ...more],
    ]);
  expect(await train("one", "--report-to", "tensorboard")).toMatchObject({ code: 0 });
  expect(await train("two")).toMatchObject({ code: 0 });
  expect(await readdir(join(folder, "two"))).not.toContain("runs");
  const lines = (await readFile(join(folder, "one/metrics.jsonl"), "utf8")).trimEnd().split("\n");
  const [, ...events] = await readEvents(join(folder, "one/runs"));
  expect(events.map(({ step, scalars }) => [step, scalars["train/loss"] ?? scalars["eval/loss"]])).toEqual(
    lines.map((line) => {
      const { step, loss, eval_loss } = JSON.parse(line);
      return [step, Math.fround(loss ?? eval_loss)];
    }),
  );

  const out = join(folder, "curves.svg");
  const drawn = await tptt(["plot", join(folder, "one"), join(folder, "two/metrics.jsonl"), "--out", out]);
  expect(drawn).toMatchObject({ code: 0, stdout: "", stderr: `tptt: wrote ${out}\n` });
  const svg = await readFile(out, "utf8");
  expect(svg).toContain(">one</text>");
  expect(svg).toContain(">two</text>");
  const png = await tptt(["plot", join(folder, "one"), "--out", join(folder, "curves.png"), "--json"]);
  expect(png.events()).toEqual([{ event: "done", runs: ["one"], out: join(folder, "curves.png") }]);

  const idle = await train("no", "--logging-dir", join(folder, "board"));
  expect(idle.stderr).toContain("tptt: --logging-dir: is given beside --report-to none");
});

test("what cannot be drawn is named, and no file is written", async () => {
  const { folder, model, write } = await openWorkspace();
  const out = join(folder, "curves.svg");
  const plot = async (run: string, to = out) => (await tptt(["plot", run, "--out", to])).stderr;
  expect(await plot(model)).toContain(
    `${model}/metrics.jsonl: does not exist; give the folder of a training`,
  );
  await mkdir(join(folder, "run"));
  const file = await write("run/metrics.jsonl", '{"step":1,"lo');
  expect(await plot(join(folder, "run"))).toContain(`${file}: has no metrics yet; wait for`);
  await write("run/metrics.jsonl", '{"loss":1}\n');
  expect(await plot(join(folder, "run"))).toContain(`${file}:1: field "step": is missing`);
  expect(await plot(join(folder, "run"), join(folder, "curves.pdf"))).toContain(
    "curves.pdf: ends in .pdf, expected .svg or .png",
  );
  expect((await tptt(["plot", model])).stderr).toContain("--out: is missing; give the file to write");
  expect(await readdir(folder)).not.toContain("curves.svg");
});
