import cliProgress from "cli-progress";

/** Named values; the names are snake_case. A field without a value is left out. */
export type Fields = Readonly<Record<string, unknown>>;

/** Where long work tells what it does. */
export interface Reporter {
  /** Something that happened once: the model is loaded, an evaluation is done, a checkpoint is written. */
  event(name: string, fields: Fields): void;
  /** Step `step` of `total` is done. To be called at every step: who shows it decides how often. */
  progress(step: number, total: number, fields: Fields): void;
  /** Of `total` bytes of a file or a repository, `done` have come. To be called at every piece, as progress is. */
  transfer(name: string, done: number, total: number): void;
  /** A remark for a person. */
  note(text: string): void;
  /** The work is done, with its results. */
  done(fields: Fields): void;
  /** Takes the progress bar off the terminal; to be called at the end, also after an error. */
  close(): void;
}

/** A stream to write to; `isTTY` when a person looks at it. */
export type Output = NodeJS.WritableStream & { readonly isTTY?: boolean };

export interface ReporterOptions {
  /** One JSON object a line on `stdout`, the last with `"event": "done"`. */
  readonly json: boolean;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Steps between two lines of progress; without it, every step for programs and one line in five seconds for a log file. */
  readonly loggingSteps?: number;
}

/** A reporter for programs (`json`), for a terminal (a progress bar), or for a log file (plain lines). */
export function createReporter({ json, stdout, stderr, loggingSteps }: ReporterOptions): Reporter {
  if (json) return new JsonReporter(stdout, stderr, loggingSteps);
  return stderr.isTTY ? new TerminalReporter(stderr) : new LineReporter(stderr, loggingSteps);
}

/** Milliseconds between two lines of progress. */
const lineInterval = 5_000;

/** When the next line of progress is due. */
class Pace {
  #last = Number.NEGATIVE_INFINITY;

  isDue(isLast: boolean): boolean {
    const now = Date.now();
    if (!isLast && now - this.#last < lineInterval) return false;
    this.#last = isLast ? Number.NEGATIVE_INFINITY : now;
    return true;
  }
}

class JsonReporter implements Reporter {
  readonly #stdout: Output;
  readonly #stderr: Output;
  readonly #loggingSteps: number;
  readonly #pace = new Pace();

  constructor(stdout: Output, stderr: Output, loggingSteps = 1) {
    this.#stdout = stdout;
    this.#stderr = stderr;
    this.#loggingSteps = loggingSteps;
  }

  event(name: string, fields: Fields): void {
    this.#stdout.write(`${JSON.stringify({ event: name, ...fields })}\n`);
  }

  progress(step: number, total: number, fields: Fields): void {
    if (step % this.#loggingSteps === 0 || step >= total) this.event("progress", { step, total, ...fields });
  }

  transfer(name: string, bytes: number, total: number): void {
    if (this.#pace.isDue(bytes >= total)) this.event("transfer", { name, bytes, total });
  }

  note(text: string): void {
    this.#stderr.write(`${text}\n`);
  }

  done(fields: Fields): void {
    this.event("done", fields);
  }

  close(): void {}
}

class LineReporter implements Reporter {
  readonly #stderr: Output;
  readonly #loggingSteps: number | undefined;
  readonly #clock = new Clock();
  readonly #pace = new Pace();

  constructor(stderr: Output, loggingSteps: number | undefined) {
    this.#stderr = stderr;
    this.#loggingSteps = loggingSteps;
  }

  event(name: string, fields: Fields): void {
    this.note(line(name, fields));
  }

  progress(step: number, total: number, fields: Fields): void {
    const left = this.#clock.left(step, total);
    const isLast = step >= total;
    const due = this.#loggingSteps ? step % this.#loggingSteps === 0 || isLast : this.#pace.isDue(isLast);
    if (due) this.note(`step ${line(`${step}/${total}`, fields)}${left}`);
  }

  transfer(name: string, done: number, total: number): void {
    const left = this.#clock.left(done, total);
    if (this.#pace.isDue(done >= total)) this.note(`${name} ${bytesOf(done, total)}${left}`);
  }

  note(text: string): void {
    this.#stderr.write(`${text}\n`);
  }

  done(fields: Fields): void {
    this.event("done", fields);
  }

  close(): void {}
}

class TerminalReporter implements Reporter {
  readonly #stderr: Output;
  readonly #clock = new Clock();
  readonly #bar: cliProgress.SingleBar;
  /** Draws the bar as it stands, if there is one. */
  #show: (() => void) | undefined;

  constructor(stderr: Output) {
    this.#stderr = stderr;
    this.#bar = new cliProgress.SingleBar({
      stream: stderr,
      barsize: 20,
      clearOnComplete: true,
      // The line is cut to the width instead: with wrapping turned off, a killed program would leave the terminal so.
      linewrap: true,
      format: (options, { progress, maxWidth }, { text }: { text: string }) =>
        `[${cliProgress.Format.BarFormat(progress, options)}] ${text}`.slice(0, maxWidth - 1),
    });
  }

  event(name: string, fields: Fields): void {
    this.note(line(name, fields));
  }

  progress(step: number, total: number, fields: Fields): void {
    // What is cut off in a narrow terminal are the last fields, not the time.
    const left = this.#clock.left(step, total);
    const text = line(`${step}/${total}${left && `${left},`}`, fields);
    if (step >= total) {
      this.close();
      this.note(`step ${text}`);
      return;
    }
    this.#draw(step, total, text);
  }

  transfer(name: string, done: number, total: number): void {
    const text = `${name} ${bytesOf(done, total)}${this.#clock.left(done, total)}`;
    if (done < total) {
      this.#draw(done, total, text);
      return;
    }
    this.close();
    this.note(text);
  }

  #draw(step: number, total: number, text: string): void {
    this.#show = () => this.#bar.start(total, step, { text });
    if (!this.#bar.isActive) this.#show();
    this.#bar.setTotal(total);
    this.#bar.update(step, { text });
  }

  note(text: string): void {
    this.#bar.stop();
    this.#stderr.write(`${text}\n`);
    this.#show?.();
  }

  done(fields: Fields): void {
    this.close();
    this.event("done", fields);
  }

  close(): void {
    this.#show = undefined;
    this.#bar.stop();
  }
}

/** Estimates the time left from the pace since the first step that it saw; that one may have waited for preparations. */
class Clock {
  #first: { step: number; time: number } | undefined;

  /** `", 12 min left"`, or nothing while there is no pace yet and when there is no time left. */
  left(step: number, total: number): string {
    const time = Date.now();
    if (this.#first === undefined || step <= this.#first.step) this.#first = { step, time };
    const { step: firstStep, time: start } = this.#first;
    if (step === firstStep || step >= total) return "";
    return `, ${duration((((time - start) / (step - firstStep)) * (total - step)) / 1000)} left`;
  }
}

/** `12.5/540.0 MB` */
function bytesOf(done: number, total: number): string {
  const [unit, size] = total < 1e6 ? ["kB", 1e3] : total < 1e9 ? ["MB", 1e6] : ["GB", 1e9];
  return `${(done / size).toFixed(1)}/${(total / size).toFixed(1)} ${unit}`;
}

function duration(seconds: number): string {
  if (seconds < 100) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `train loss 2.31 mu 0.05 tokens/s 193`. */
function line(name: string, fields: Fields): string {
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key.replace("_per_second", "/s").replaceAll("_", " ")} ${text(value)}`);
  return [name, ...parts].join(" ");
}

function text(value: unknown): string {
  if (typeof value === "number") {
    return String(Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(4)));
  }
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(text).join(", ");
  return typeof value === "object" && value !== null
    ? Object.entries(value)
        .map(([key, part]) => `${key} ${text(part)}`)
        .join(" ")
    : JSON.stringify(value);
}
