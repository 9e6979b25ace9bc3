import type { Decoder } from "../tptt/graphs/decoder.js";
import type { TpttModel } from "../tptt/tptt-model.js";
import type { Generation } from "./generation.js";

/** A text that is being written, and where what was read of it is remembered. */
interface Member {
  readonly generation: Generation;
  /** The token that is read next. */
  next: number;
  decoder: Decoder;
  row: number;
}

/**
 * Tokens of a text for which its decoder has room from the start: up to here it needs no other graphs. More room costs
 * little time when prompts are read, and none when texts are written.
 */
export const room = 1024;

/** The rows of a decoder that writes so many texts: a power of two, so that there are few graphs. */
const rowsFor = (texts: number): number => 2 ** Math.ceil(Math.log2(texts));

/**
 * Texts of one model that are written together: each is a row of one decoder. Texts come and go between any two tokens. Where
 * rows cannot be moved (on a GPU, and in the form `tptt-0.12`) each text has a decoder of its own.
 */
export class RunningBatch {
  readonly #model: TpttModel;
  #members: Member[] = [];
  #decoder: Decoder | undefined;

  constructor(model: TpttModel) {
    this.#model = model;
  }

  /** Makes the graphs that write up to so many texts at once, as long as no signal stops it. */
  static async prepare(model: TpttModel, texts: number, signal: AbortSignal): Promise<void> {
    for (let rows = 1; rows <= rowsFor(texts) && !signal.aborted; rows *= 2) {
      const decoder = model.decoder(rows, room);
      await decoder.prepare({ prompts: false });
      if (!decoder.takesRows) return;
    }
  }

  /** How many texts are being written. */
  get size(): number {
    return this.#members.length;
  }

  /**
   * Takes in a text whose prompt was read.
   *
   * @param decoder the decoder of one row that read it; it is taken over. @param next the first token that it wrote.
   */
  add(generation: Generation, decoder: Decoder, next: number): void {
    this.#members.push({ generation, next, decoder, row: 0 });
  }

  /** Lets go of texts that are done. */
  prune(): void {
    this.#members = this.#members.filter(({ generation }) => !generation.done);
    if (this.size === 0) this.#decoder = undefined;
  }

  /** Writes one token of each text. */
  async step(): Promise<void> {
    if (this.#members[0]!.decoder.takesRows) await writeOne(await this.#gather(), this.#members);
    else for (const member of this.#members) await writeOne(member.decoder, [member]);
  }

  /** Ends all texts with an error. */
  fail(error: unknown): void {
    for (const { generation } of this.#members) generation.fail(error);
    this.prune();
  }

  /** Brings all texts into the rows of one decoder, with as few free rows as a power of two leaves. */
  async #gather(): Promise<Decoder> {
    const batch = rowsFor(this.size);
    const decoder =
      [this.#decoder, this.#members[0]!.decoder].find((known) => known?.batch === batch) ??
      this.#model.decoder(batch, room);
    const taken = new Set(this.#members.filter((m) => m.decoder === decoder).map(({ row }) => row));
    const free = rowsOf(decoder).filter((row) => !taken.has(row));
    for (const member of this.#members) {
      if (member.decoder === decoder) continue;
      const row = free.shift()!;
      await decoder.takeRow(row, member.decoder, member.row);
      member.decoder = decoder;
      member.row = row;
    }
    this.#decoder = decoder;
    return decoder;
  }
}

/** Writes one token of each of some rows of a decoder; the others stay as they are. */
async function writeOne(decoder: Decoder, members: readonly Member[]): Promise<void> {
  const rows = rowsOf(decoder).map((): number[] => []);
  for (const { row, next } of members) rows[row] = [next];
  const logits = await decoder.read(rows);
  for (const member of members) {
    const { generation, row } = member;
    if (!generation.done) member.next = generation.write(logits[row]!) ?? member.next;
  }
}

const rowsOf = ({ batch }: Decoder): number[] => Array.from({ length: batch }, (_, row) => row);
