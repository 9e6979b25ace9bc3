import { keepsResults, type Params, Tensor } from "../../engine/index.js";
import { InputError } from "../../errors.js";
import { nextTurn } from "../../next-turn.js";
import type { LCache, LinearState } from "../memory/lcache.js";
import { blocksOf, longestBlock, shorterBlock, wholeBlock } from "./blocks.js";
import { copyState, type Remembered, restoreState, zeroMemories } from "./decoder-state.js";
import { compileDecoding, type DecodingShape, isMasked } from "./decoding-graph.js";
import type { GraphCache } from "./graph-cache.js";
import { compileHead } from "./head-graphs.js";
import { Rings, ringCapacity } from "./key-value-rings.js";
import { longestSequence, type MemoryMode, type TitanParts } from "./titan-parts.js";

/** How a reading that takes a while is watched. */
export interface DecoderReadOptions {
  /**
   * Stops a reading of more than 256 tokens between two of its blocks: it fails with the signal's reason, and the decoder is
   * as before. A shorter one, and one in the form `tptt-0.12`, is one block and comes to its end.
   */
  readonly signal?: AbortSignal | undefined;
  /** Called after each block, with how many tokens of the longest row are read. */
  readonly onProgress?: ((tokens: number) => void) | undefined;
}

/** The settings of a titan that decoding follows. */
export interface DecoderSettings {
  readonly mode: MemoryMode;
  /** mu of each titanized layer; ignored unless both paths are in the graph. */
  readonly magWeights: readonly number[];
  readonly params: Params;
  /**
   * Each call is one block, and its rows are of one length: for memories whose result depends on how a sequence is
   * split, those of the form `tptt-0.12`.
   */
  readonly wholeCalls: boolean;
}

/**
 * Reads tokens and remembers them: keys and values of softmax attention in rings, the memories of linear attention in
 * an {@link LCache}. Rows of a batch may be of different lengths.
 */
export class Decoder {
  readonly #parts: TitanParts;
  /** @internal What it follows: those of the model when it began. */
  readonly settings: DecoderSettings;
  readonly #graphs: GraphCache;
  readonly #seen: number[];
  /** Tokens that a row can have at most. */
  readonly #longest: number;
  #rings: Rings;
  #memories: LCache<Tensor>;

  /** @param room tokens of a row for which there is room at once. */
  constructor(parts: TitanParts, batch: number, settings: DecoderSettings, graphs: GraphCache, room: number) {
    this.#parts = parts;
    this.settings = settings;
    this.#graphs = graphs;
    this.#seen = Array<number>(batch).fill(0);
    this.#longest = longestSequence(parts, settings.mode);
    this.#rings = new Rings(parts, batch, settings.mode, ringCapacity(Math.min(room, this.#longest)));
    this.#memories = zeroMemories(parts, this.#shape(1));
  }

  /** How many rows there are. */
  get batch(): number {
    return this.#seen.length;
  }

  /** Whether rows of other decoders can be taken over, of any length. */
  get takesRows(): boolean {
    return !this.settings.wholeCalls && !keepsResults(this.#parts.device);
  }

  /** How many tokens each row has read. */
  get seen(): readonly number[] {
    return this.#seen;
  }

  /** The memories as they are now, by layer; on a WebGPU device they have no data to read. */
  get linearCache(): LCache<Tensor> {
    return this.#memories;
  }

  /**
   * What it remembers, copied into host memory: the memories as `linear_cache.{layer}.{part}`, the keys and values that
   * softmax attention can look back on as `past_key_values.{layer}.key` and `.value`, [B, Hkv, tokens, D]. With
   * {@link Decoder.seen} it is all that a continuation needs.
   */
  stateDict(): Promise<Map<string, Tensor>> {
    return copyState(this.#parts, this.#remembered(this.#seen), this.#rings, this.#memories, this.#graphs);
  }

  /**
   * Takes over what another decoder of the same model and settings remembered, in place of what this one did: the
   * tokens that follow get the same logits.
   *
   * @param state what {@link Decoder.stateDict} gave. @param seen how many tokens each row had read. @param where what
   * error messages call the place that they come from.
   * @throws InputError naming the tensor that is missing, unknown, or of another type or shape.
   */
  loadStateDict(state: ReadonlyMap<string, Tensor>, seen: readonly number[], where = "state"): void {
    if (seen.length !== this.#seen.length)
      throw new InputError(`${where}: seen`, `has ${seen.length} rows, the decoder has ${this.#seen.length}`);
    const { rings, memories } = restoreState(this.#parts, this.#remembered(seen), state, where);
    this.dispose();
    this.#rings = rings;
    this.#memories = memories;
    for (const [row, count] of seen.entries()) this.#seen[row] = count;
  }

  #remembered(seen: readonly number[]): Remembered {
    return { mode: this.settings.mode, seen };
  }

  /** Lets go of what is remembered, on a device too; nothing can be read after that. */
  dispose(): void {
    const rings = Object.values(this.#rings.inputs().keyValues);
    const memories = [...this.#memories.entries()].map(([, state]) => state);
    for (const tensors of [...rings, ...memories])
      for (const tensor of Object.values(tensors) as Tensor[]) tensor.dispose();
  }

  /** Bytes of what is remembered. */
  get stateBytes(): number {
    const memories = [...this.#memories.entries()].flatMap(([, state]) => Object.values(state) as Tensor[]);
    return memories.reduce((sum, tensor) => sum + tensor.byteLength, this.#rings.byteLength);
  }

  /**
   * Reads more tokens.
   *
   * @param rows new tokens of each row; a row may have none.
   * @returns the logits after each row's last new token, [vocab]; undefined for a row without new tokens.
   * @throws InputError when a row gets longer than the model's positions, or when rows that must be of one length are
   * not.
   */
  async read(
    rows: readonly (readonly number[])[],
    { signal, onProgress }: DecoderReadOptions = {},
  ): Promise<(Float32Array | undefined)[]> {
    const longest = this.#longestAfter(rows);
    if (longest > this.#longest) {
      throw new InputError(
        "length",
        `is ${longest} tokens, the model knows positions up to ${this.#longest}; shorten the prompt or max_new_tokens`,
      );
    }
    const { wholeCalls } = this.settings;
    const count = Math.max(...rows.map((row) => row.length));
    const shorter = rows.find((row) => row.length < count);
    if (count === 0) return rows.map(() => undefined);
    if (wholeCalls && shorter) {
      throw new InputError(
        "operator_form",
        `is tptt-0.12, which reads rows of one length, not of ${shorter.length} and ${count} tokens; read them one by one`,
      );
    }
    const stop = count > longestBlock && !wholeCalls ? signal : undefined;
    const before = stop && { state: await this.stateDict(), seen: [...this.#seen] };
    try {
      if (wholeCalls || keepsResults(this.#parts.device)) await this.#makeRoom(longest);
      return await this.#readInBlocks(rows, count, { signal: stop, onProgress });
    } catch (error) {
      if (before) this.loadStateDict(before.state, before.seen);
      throw error;
    }
  }

  /**
   * Takes over a row of another decoder of the same titan, in the place of one's own: what that one has read, this row has
   * read.
   *
   * @throws Error unless {@link Decoder.takesRows}.
   */
  async takeRow(row: number, from: Decoder, fromRow: number): Promise<void> {
    if (!this.takesRows) throw new Error("takeRow: rows of this titan cannot be moved");
    const seen = from.#seen[fromRow]!;
    this.#rings = await this.#rings.grownTo(seen, this.#graphs);
    this.#rings.takeRow(row, from.#rings, fromRow);
    for (const [layer, state] of from.#memories.entries()) {
      const own = this.#memories.get(layer)!;
      for (const [part, source] of Object.entries(state) as [keyof LinearState, Tensor][]) {
        const size = source.size / from.batch;
        own[part]!.f32.set(source.f32.subarray(fromRow * size, (fromRow + 1) * size), row * size);
      }
    }
    this.#seen[row] = seen;
  }

  /**
   * Makes the graphs that read as many tokens as there is room for, so that no reading waits for one; but for the form
   * `tptt-0.12`, which has one for each length of a call: of one token.
   *
   * @param prompts whether many tokens will be read in a call; else one of each row.
   */
  async prepare({ prompts }: { readonly prompts: boolean }): Promise<void> {
    const lengths = prompts && !this.settings.wholeCalls ? [longestBlock, shorterBlock, 1] : [1];
    await this.#head();
    for (const length of lengths) await this.#graph(this.#shape(length));
  }

  /** Only the last token of each row meets the head. */
  async #readInBlocks(
    rows: readonly (readonly number[])[],
    count: number,
    { signal, onProgress }: DecoderReadOptions,
  ): Promise<(Float32Array | undefined)[]> {
    const head = await this.#head();
    const found = rows.map((): Float32Array | undefined => undefined);
    const longest = this.#longestAfter(rows);
    for (const { start, size, lastStart } of this.settings.wholeCalls
      ? [wholeBlock(count)]
      : blocksOf(count)) {
      await throwIfStopped(signal);
      const end = start + size;
      const lookedBackOn = this.#longestAfter(rows.map((row) => row.slice(start, lastStart)));
      // The graph that reads single tokens is that of the tokens that follow.
      await this.#makeRoom(size === 1 ? longest : lookedBackOn);
      const hidden = await this.#readBlock(
        rows.map((row) => row.slice(start, end)),
        size,
      );
      const isLast = ({ length }: readonly number[]) => start < length && length <= end;
      if (rows.some(isLast)) {
        const logits = await head.run({ hidden, params: this.settings.params });
        const vocab = logits.shape[1]!;
        for (const [i, row] of rows.entries())
          if (isLast(row)) found[i] = logits.f32.subarray(i * vocab, (i + 1) * vocab);
      }
      hidden.dispose();
      onProgress?.(Math.min(end, count));
    }
    return found;
  }

  /** @returns the hidden state after each row's last token, [B, hidden]. */
  async #readBlock(rows: readonly (readonly number[])[], length: number): Promise<Tensor> {
    const batch = rows.length;
    const { mode, magWeights, params } = this.settings;
    const shape = this.#shape(length);
    const graph = await this.#graph(shape);
    const inputIds = Tensor.zeros("int64", [batch, length]);
    for (const [i, row] of rows.entries())
      for (const [t, id] of row.entries()) inputIds.data[i * length + t] = BigInt(id);
    const { hidden, keyValues, linear } = await graph.run({
      inputIds,
      ...(isMasked(shape) ? { mask: maskOf(rows, length) } : {}),
      seen: Tensor.int64([batch], this.#seen),
      mu: Tensor.f32([magWeights.length], magWeights),
      past: { ...this.#rings.inputs(), linear: Object.fromEntries(this.#memories.entries()) },
      ...(keepsResults(this.#parts.device) ? { places: this.#rings.places(rows, this.#seen, length) } : {}),
      params,
    });
    await this.#makeRoom(this.#longestAfter(rows));
    this.#rings.write(keyValues, rows, this.#seen);
    if (mode !== "off") this.#remember(linear);
    for (const [i, row] of rows.entries()) this.#seen[i]! += row.length;
    return hidden;
  }

  /** Tokens of the longest row, once it has read more. */
  #longestAfter(rows: readonly (readonly number[])[]): number {
    return Math.max(...rows.map((row, i) => this.#seen[i]! + row.length));
  }

  async #makeRoom(tokens: number): Promise<void> {
    this.#rings = await this.#rings.grownTo(tokens, this.#graphs);
  }

  /** Puts new memories in the place of the old, whose room on the device is handed back. */
  #remember(memories: Readonly<Record<string, LinearState<Tensor>>>): void {
    for (const [layer, state] of Object.entries(memories)) {
      const old = this.#memories.get(Number(layer));
      this.#memories.update(Number(layer), state);
      for (const part of Object.keys(state) as (keyof LinearState)[]) old?.[part]?.dispose();
    }
  }

  #graph(shape: DecodingShape) {
    return this.#graphs.get("decoding", shape, () => compileDecoding(this.#parts, shape));
  }

  #head() {
    return this.#graphs.get("head", {}, () => compileHead(this.#parts));
  }

  #shape(length: number): DecodingShape {
    return { batch: this.#seen.length, length, mode: this.settings.mode, slots: this.#rings.slots };
  }
}

async function throwIfStopped(signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return;
  await nextTurn();
  signal.throwIfAborted();
}

/** 1 at the tokens of each row, bool [B, length]. */
function maskOf(rows: readonly (readonly number[])[], length: number): Tensor {
  const mask = Tensor.zeros("bool", [rows.length, length]);
  for (const [i, row] of rows.entries())
    (mask.data as Uint8Array).fill(1, i * length, i * length + row.length);
  return mask;
}
