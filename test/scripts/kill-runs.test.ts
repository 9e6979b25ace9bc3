import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { killRuns } from "../../scripts/kill-runs.js";

const main = fileURLToPath(new URL("../../src/cli/this-process.ts", import.meta.url));

// `npm run kills` kills a hundred.
test("runs that are killed at random moments go on and end as one that was not, bit for bit", async () => {
  const report = await killRuns({
    kills: 5,
    seed: 3,
    command: [process.execPath, "--conditions=source", "--import", "tsx", main],
    steps: 16,
    lanes: 2,
  });
  expect(report).toMatchObject({ kills: 5 });
  expect(report.finished).toBeGreaterThanOrEqual(2);
});
