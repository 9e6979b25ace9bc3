import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { latestCheckpoint } from "../../src/train/checkpoint-folder.js";
import { openHub } from "../io/hub/use-hub.js";
import { canMount, runOnSmallDisk } from "./small-disk.js";
import { openWorkspace, problems, tptt } from "./workspace.js";

test.runIf(canMount)(
  "a full disk ends training with a clear error; the last checkpoint is whole, and goes on",
  async () => {
    const { folder, model, write } = await openWorkspace();
    const dataset = await write("data.jsonl", problems);
    const options = ["--model", model, "--dataset", dataset, "--batch-size", "2", "--max-steps", "12"];
    // Room for a few checkpoints; then more is made, as who deletes something does.
    const script = `
    mount -t tmpfs -o size=400k tmpfs "$DISK"
    "$TPTT" train "$@" --output "$DISK/run" 2> "$OUT/stderr"; echo $? > "$OUT/code"
    cp -a "$DISK/run" "$OUT/full"
    mount -o remount,size=64m "$DISK"
    "$TPTT" train --output "$DISK/run" --resume 2> "$OUT/stderr-resumed"
    cp -a "$DISK/run" "$OUT/resumed"`;
    const { disk, out } = await runOnSmallDisk(script, [...options, "--save-steps", "1"]);

    const stderr = await readFile(join(out, "stderr"), "utf8");
    const run = join(disk, "run");
    expect(await readFile(join(out, "code"), "utf8")).toBe("2\n");
    expect(stderr).toMatch(/\ntptt: .*: cannot be written: its disk is full; free some space\n$/);
    const latest = await latestCheckpoint(join(out, "full"), () => expect.unreachable());
    const step = Number(/checkpoint-(\d+)$/.exec(latest!)![1]);
    expect(step).toBeGreaterThanOrEqual(1);
    expect(step).toBeLessThan(12);
    expect(stderr).toContain(
      `\nthe last checkpoint is ${run}/checkpoint-${step}; to go on from it: npx tptt train --output ${run} --resume\n`,
    );
    expect((await readdir(join(out, "full"))).filter((name) => name.startsWith("."))).toEqual([]);

    const whole = join(folder, "whole");
    expect((await tptt(["train", ...options, "--output", whole])).code).toBe(0);
    const weights = (path: string) => readFile(join(path, "adapter_model.safetensors"));
    expect(await weights(join(out, "resumed"))).toEqual(await weights(whole));
  },
);

test.runIf(canMount)(
  "a disk that fills up during a download ends the command with a clear error; the next one goes on",
  async () => {
    const { model } = await openWorkspace();
    const { hub } = await openHub();
    const rows = `${problems}\n`.repeat(1000);
    await hub.add("dataset", "org/texts", { "data.jsonl": rows });
    // While nothing comes, somebody else takes the room that was there at the beginning.
    hub.fail({ path: "/resolve-cache/", cutAfter: 100_000, silence: 2_000 });
    const script = `
    mount -t tmpfs -o size=1m tmpfs "$DISK"
    export HF_HOME="$DISK"
    "$TPTT" "$@" 2> "$OUT/stderr" & command=$!
    while kill -0 $command && ! [ -s "$DISK"/hub/datasets--org--texts/blobs/*.incomplete ]; do sleep 0.1; done
    head -c 2000000 /dev/zero > "$DISK/filler" || true
    wait $command; echo $? > "$OUT/code"
    cp -a "$DISK/hub" "$OUT/full"
    rm "$DISK/filler"
    "$TPTT" "$@" > "$OUT/stdout"
    cp -a "$DISK/hub" "$OUT/resumed"`;
    const { disk, out } = await runOnSmallDisk(script, ["data", "org/texts", "--model", model], {
      HF_ENDPOINT: hub.url,
      HF_HUB_OFFLINE: "",
    });

    expect(await readFile(join(out, "code"), "utf8")).toBe("2\n");
    const place = `cannot be written to ${disk}/hub: its disk is full`;
    expect(await readFile(join(out, "stderr"), "utf8")).toMatch(
      new RegExp(`\\ntptt: org/texts: data.jsonl: ${place} \\(\\d+ bytes free\\); make room and try again`),
    );
    const full = join(out, "full", "datasets--org--texts");
    expect((await readdir(full)).sort()).toEqual(["blobs", "trees"]);
    const [part, ...others] = await readdir(join(full, "blobs"));
    expect([part, others]).toEqual([expect.stringMatching(/\.tptt\.incomplete$/), []]);
    const { size } = await stat(join(full, "blobs", part!));
    expect(size).toBeGreaterThanOrEqual(100_000);
    expect(size).toBeLessThan(rows.length);

    expect(hub.requests.at(-1)?.range).toBe(`bytes=${size}-`);
    expect(await readFile(join(out, "stdout"), "utf8")).toContain("10,000 records\n");
    const [blob] = await readdir(join(out, "resumed", "datasets--org--texts", "blobs"));
    expect(await readFile(join(out, "resumed", "datasets--org--texts", "blobs", blob!), "utf8")).toBe(rows);
  },
);
