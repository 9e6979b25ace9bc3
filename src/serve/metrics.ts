/** Names and values that tell the series of a metric apart. */
export type Labels = Readonly<Record<string, string | number>>;

/** One metric in Prometheus' text form. */
export interface Metric {
  render(): string;
}

/** Bounds of latencies, in seconds. */
const seconds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250];

const header = (name: string, help: string, type: string): string =>
  `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;

const escaped = (value: string | number): string =>
  String(value).replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');

function series(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
  return `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}\n`;
}

/** What only grows. */
export class Counter implements Metric {
  readonly #name: string;
  readonly #help: string;
  readonly #series = new Map<string, { labels: Labels; value: number }>();

  constructor(name: string, help: string) {
    this.#name = name;
    this.#help = help;
  }

  add(labels: Labels, value = 1): void {
    const key = JSON.stringify(labels);
    const sum = (this.#series.get(key)?.value ?? 0) + value;
    this.#series.set(key, { labels, value: sum });
  }

  render(): string {
    const lines = [...this.#series.values()].map(({ labels, value }) => series(this.#name, labels, value));
    return header(this.#name, this.#help, "counter") + lines.join("");
  }
}

/** What is read when it is asked for. */
export class Gauge implements Metric {
  readonly #name: string;
  readonly #help: string;
  readonly #read: () => number;

  constructor(name: string, help: string, read: () => number) {
    this.#name = name;
    this.#help = help;
    this.#read = read;
  }

  render(): string {
    return header(this.#name, this.#help, "gauge") + series(this.#name, {}, this.#read());
  }
}

/** How often something took how many seconds. */
export class Histogram implements Metric {
  readonly #name: string;
  readonly #help: string;
  /** How many were at most as long as each bound. */
  readonly #counts = seconds.map(() => 0);
  #count = 0;
  #sum = 0;

  constructor(name: string, help: string) {
    this.#name = name;
    this.#help = help;
  }

  /** The mean, in seconds; 0 when there is none. */
  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  observe(value: number): void {
    for (const [i, bound] of seconds.entries()) if (value <= bound) this.#counts[i]!++;
    this.#count++;
    this.#sum += value;
  }

  render(): string {
    const buckets = seconds.map((le, i) => series(`${this.#name}_bucket`, { le }, this.#counts[i]!));
    return [
      header(this.#name, this.#help, "histogram"),
      ...buckets,
      series(`${this.#name}_bucket`, { le: "+Inf" }, this.#count),
      series(`${this.#name}_sum`, {}, this.#sum),
      series(`${this.#name}_count`, {}, this.#count),
    ].join("");
  }
}

/** How a text ended. */
export type Outcome = "stop" | "length" | "cancelled" | "timeout" | "error";

/** What a server counts. */
export class ServerMetrics {
  readonly #requests = new Counter("tptt_requests_total", "Answered requests by path and status.");
  readonly #texts = new Counter("tptt_texts_total", "Texts by model and how they ended.");
  readonly #promptTokens = new Counter("tptt_prompt_tokens_total", "Tokens of prompts by model.");
  readonly #newTokens = new Counter("tptt_completion_tokens_total", "Tokens that were written, by model.");
  readonly #durations = new Histogram(
    "tptt_text_duration_seconds",
    "From the arrival of a request to the end of its text.",
  );
  readonly #firstTokens = new Histogram(
    "tptt_time_to_first_token_seconds",
    "From the arrival of a request to the first piece of its text.",
  );
  readonly #metrics: readonly Metric[];

  constructor(scheduler: { readonly queueLength: number; readonly running: number }) {
    this.#metrics = [
      this.#requests,
      this.#texts,
      this.#promptTokens,
      this.#newTokens,
      this.#durations,
      this.#firstTokens,
      new Gauge("tptt_queue_length", "Texts that wait.", () => scheduler.queueLength),
      new Gauge("tptt_running_texts", "Texts that are being read or written.", () => scheduler.running),
      new Gauge("process_resident_memory_bytes", "Memory of the process.", () => process.memoryUsage.rss()),
    ];
  }

  /** How long a text took so far, on the average, in seconds. */
  get meanDuration(): number {
    return this.#durations.mean;
  }

  answered(path: string, status: number): void {
    this.#requests.add({ path, status });
  }

  firstPiece(seconds: number): void {
    this.#firstTokens.observe(seconds);
  }

  ended(
    model: string,
    text: { outcome: Outcome; promptTokens: number; newTokens: number; seconds: number },
  ): void {
    this.#texts.add({ model, outcome: text.outcome });
    this.#promptTokens.add({ model }, text.promptTokens);
    this.#newTokens.add({ model }, text.newTokens);
    this.#durations.observe(text.seconds);
  }

  render(): string {
    return this.#metrics.map((metric) => metric.render()).join("");
  }
}
