import { nextTurn } from "../next-turn.js";
import { longestBlock } from "../tptt/graphs/blocks.js";
import type { Decoder } from "../tptt/graphs/decoder.js";
import type { TpttModel } from "../tptt/tptt-model.js";
import { Generation, type GenerationRequest } from "./generation.js";
import { RunningBatch, room } from "./running-batch.js";

/** How much is done at once. */
export interface SchedulerLimits {
  /** Texts that are written at the same time, of all models together. */
  readonly maxBatchSize: number;
  /** Texts that wait. */
  readonly maxQueueLength: number;
}

/** A text was refused: there are as many waiting as may, or the end is near. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  readonly reason: "full" | "closing";

  constructor(reason: "full" | "closing") {
    super(reason === "full" ? "too many texts wait" : "no more texts are taken");
    this.reason = reason;
  }
}

/** Tokens of a prompt that are read between two tokens of the texts that are being written. */
const pieceLength = longestBlock;

/**
 * Graphs of a model that are kept: two that read, and four that write, for two sizes of rings, and the head. Each has a packed
 * copy of its quantised weights.
 */
const keptGraphs = 13;

/** A prompt that is being read. */
interface Reading {
  readonly generation: Generation;
  readonly decoder: Decoder;
  at: number;
}

/**
 * Writes texts of several models, many at a time: texts of one model together ({@link RunningBatch}), models in turns. Those
 * that come later wait in one queue, first come, first served. Between two tokens of what is being written a piece of the
 * next prompt is read, so that a long one does not hold up the others.
 */
export class Scheduler {
  readonly #limits: SchedulerLimits;
  readonly #queue: Generation[] = [];
  readonly #batches = new Map<TpttModel, RunningBatch>();
  #reading: Reading | undefined;
  #working: Promise<void> | undefined;
  #closing = false;

  constructor(limits: SchedulerLimits) {
    this.#limits = limits;
  }

  /** Texts that are written at the same time. */
  get maxBatchSize(): number {
    return this.#limits.maxBatchSize;
  }

  /** Whether no more texts are taken. */
  get closing(): boolean {
    return this.#closing;
  }

  /** How many texts wait. */
  get queueLength(): number {
    return this.#queue.filter(({ done }) => !done).length;
  }

  /** How many texts are being read or written. */
  get running(): number {
    const written = [...this.#batches.values()].reduce((sum, { size }) => sum + size, 0);
    return written + (this.#reading ? 1 : 0);
  }

  /**
   * Makes the graphs that texts of a model need, up to 1024 tokens each: a graph that is made later holds up everything, for the
   * thread is ONNX Runtime's meanwhile.
   *
   * @param signal stops it before the next graph.
   */
  async prepare(model: TpttModel, signal: AbortSignal): Promise<void> {
    if (!signal.aborted) await model.decoder(1, room).prepare({ prompts: true });
    await RunningBatch.prepare(model, this.#limits.maxBatchSize, signal);
  }

  /**
   * Takes texts to be written: all of them, or none.
   *
   * @throws RefusedError when they are too many, or the scheduler is closing.
   */
  submit(requests: readonly GenerationRequest[]): Generation[] {
    if (this.#closing) throw new RefusedError("closing");
    const { maxBatchSize, maxQueueLength } = this.#limits;
    const free = Math.max(0, maxBatchSize - this.running);
    if (this.queueLength + requests.length > maxQueueLength + free) throw new RefusedError("full");
    const generations = requests.map((request) => new Generation(request));
    this.#queue.push(...generations);
    this.#working ??= this.#work();
    return generations;
  }

  /** Takes no more texts; resolves when those that it has are done. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#working;
  }

  /** Ends all texts with an error. */
  abort(error: unknown): void {
    for (const generation of this.#queue) generation.fail(error);
    this.#reading?.generation.fail(error);
    for (const batch of this.#batches.values()) batch.fail(error);
  }

  async #work(): Promise<void> {
    // What was submitted together begins together.
    await nextTurn();
    for (this.#prune(); this.running + this.#queue.length > 0; this.#prune()) {
      await this.#read();
      for (const batch of this.#batches.values()) {
        batch.prune();
        if (batch.size === 0) continue;
        await batch.step().catch((error: unknown) => batch.fail(error));
      }
    }
    this.#working = undefined;
  }

  /** Lets go of texts that are done. */
  #prune(): void {
    for (const [model, batch] of this.#batches) {
      batch.prune();
      if (batch.size === 0) this.#batches.delete(model);
    }
    if (this.#reading?.generation.done) this.#reading = undefined;
    const waiting = this.#queue.filter(({ done }) => !done);
    this.#queue.splice(0, this.#queue.length, ...waiting);
  }

  /** Reads prompts as long as there is room for other texts: a piece of a long one, or several short ones. */
  async #read(): Promise<void> {
    let left = pieceLength;
    while (left > 0) {
      this.#reading ??= await this.#next();
      if (!this.#reading) return;
      const { generation, decoder, at } = this.#reading;
      const rest = generation.request.prompt.slice(at);
      const piece = decoder.settings.wholeCalls ? rest : rest.slice(0, pieceLength);
      if (piece.length > left && left < pieceLength) return;
      await this.#readPiece(this.#reading, piece).catch((error: unknown) => generation.fail(error));
      // Who left while the piece was read frees the place now.
      await nextTurn();
      if (generation.done) this.#reading = undefined;
      left -= piece.length;
    }
  }

  async #readPiece(reading: Reading, piece: readonly number[]): Promise<void> {
    const { generation, decoder } = reading;
    const { prompt, model } = generation.request;
    const [logits] = await decoder.read([piece]);
    reading.at += piece.length;
    if (reading.at < prompt.length || generation.done) return;
    this.#reading = undefined;
    const next = generation.write(logits!);
    if (next === undefined) return;
    const batch = this.#batches.get(model) ?? new RunningBatch(model);
    this.#batches.set(model, batch);
    batch.add(generation, decoder, next);
  }

  /** The text that has waited the longest, if there is room for it. */
  async #next(): Promise<Reading | undefined> {
    if (this.running >= this.#limits.maxBatchSize) return undefined;
    const generation = this.#queue.find(({ done }) => !done);
    if (!generation) return undefined;
    this.#queue.splice(0, this.#queue.indexOf(generation) + 1);
    const { model } = generation.request;
    // No graph runs between two tokens.
    await model.releaseGraphs(keptGraphs);
    return { generation, decoder: model.decoder(1, room), at: 0 };
  }
}
