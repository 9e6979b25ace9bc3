import { chanceRecall } from "../../data/facts.js";
import { chart } from "../chart.js";
import { columns } from "../columns.js";
import type { FarQuestion } from "./experiment.js";
import type { DemoResult, DemoRow } from "./run-demo.js";

/** What a demo measured, for a person. */
export function demoReport(result: DemoResult): string {
  const { window, base, titan, variants, curves, question, answers } = result;
  const { loss, mu } = curves;
  const nameWidth = Math.max(...variants.map(({ name }) => name.length));
  return [
    chart({
      series: [
        { name: "loss of an answer", values: loss },
        { name: "mu, the memory's share", values: mu },
      ],
      x: { name: "step", first: 1, last: loss.length },
    }),
    `Facts recalled, by the distance from the fact to the question. Attention sees ${window} tokens; guessing gives ${percent(chanceRecall)}.`,
    recallTable([base, titan]),
    measuresTable(result),
    "The same titan with the memory's share (mu) changed in both layers, or in the first and the second:",
    recallTable([titan, ...variants]),
    variants.map(({ name, meaning }) => `  ${name.padEnd(nameWidth)}  ${meaning}`).join("\n"),
    `A question, ${question.distance} tokens after its fact: ${excerpt(question)}\n  base model: ${answers.base}\n  titan: ${answers.titan}`,
  ].join("\n\n");
}

/** What a demo measured, for programs. */
export function demoJson(result: DemoResult) {
  const { window, base, titan, variants, curves, training, question, answers, seconds } = result;
  const row = ({ name, magWeights, recalls }: DemoRow) => ({
    name,
    mag_weights: magWeights,
    bands: recalls.map(({ band, matches, total, rate, interval, loss }) => ({
      band: band.name,
      from: band.near,
      to: band.far,
      recall: rate,
      interval,
      matches,
      questions: total,
      loss,
    })),
  });
  const timed = ({ reading, ...rest }: DemoResult["base"]) => ({
    ...row(rest),
    tokens_per_second: reading.tokensPerSecond,
    state_bytes: reading.stateBytes,
  });
  return {
    window,
    chance: chanceRecall,
    base: timed(base),
    titan: timed(titan),
    variants: variants.map(row),
    training: { steps: training.steps, loss: curves.loss, mag_weight: curves.mu },
    question: { ...question, answers },
    seconds,
  };
}

/** Recall in columns by distance. */
function recallTable(rows: readonly DemoRow[]): string {
  const bands = rows[0]!.recalls.map(({ band }) => band);
  return columns([
    ["windows", ...bands.map(({ name }) => name)],
    ["tokens", ...bands.map(({ near, far }) => `${near}-${far}`)],
    ["questions", ...rows[0]!.recalls.map(({ total }) => String(total))],
    ...rows.map(({ name, recalls }) => [name, ...recalls.map(({ rate }) => percent(rate))]),
  ]);
}

/** Loss, speed and state of both models. */
function measuresTable({ window, base, titan }: DemoResult): string {
  const loss = ({ recalls }: DemoRow, beyond: boolean) => {
    const wanted = recalls.filter(({ band }) => beyond === band.near >= window);
    const questions = wanted.reduce((sum, { total }) => sum + total, 0);
    return (wanted.reduce((sum, { loss, total }) => sum + loss * total, 0) / questions).toFixed(3);
  };
  const models = [base, titan];
  return columns([
    ["", ...models.map(({ name }) => name)],
    ["loss of an answer, fact inside the window", ...models.map((model) => loss(model, false))],
    ["loss of an answer, fact beyond it", ...models.map((model) => loss(model, true))],
    ["tokens read a second", ...models.map(({ reading }) => whole(reading.tokensPerSecond))],
    ...base.reading.stateBytes.map(({ tokens }, i) => [
      `bytes of state after ${tokens} tokens`,
      ...models.map(({ reading }) => whole(reading.stateBytes[i]!.bytes)),
    ]),
  ]);
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const whole = (value: number): string => Math.round(value).toLocaleString("en-US");

/** The sentence that tells the fact, and the question. */
function excerpt({ prompt, distance }: FarQuestion): string {
  const words = prompt.split(" ");
  const value = words.length - 1 - distance;
  const [fact, rest, end] = [words.slice(value - 1, value + 2), words.slice(value + 2, -8), words.slice(-8)];
  return `... ${fact.join(" ")} [${rest.length} words] ${end.join(" ")}`;
}
