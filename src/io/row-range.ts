import { sizeOf } from "../engine/tensor.js";

/** Rows of a tensor, along its first dimension: from `start` up to `end`, without it. */
export interface RowRange {
  readonly start: number;
  readonly end: number;
}

/** Where and how a tensor lies in a file. */
interface Place {
  readonly shape: readonly number[];
  readonly offset: number;
  readonly byteLength: number;
}

/** Some rows of a tensor as a tensor of its own; all of it without a range. @throws RangeError when it has fewer. */
export function placeOfRows<T extends Place>(place: T, rows: RowRange | undefined): T {
  if (!rows) return place;
  const { start, end } = rows;
  const [count = 0, ...row] = place.shape;
  if (!(start >= 0 && start <= end && end <= count))
    throw new RangeError(`rows ${start}..${end} of a tensor [${place.shape}]`);
  const rowBytes = count > 0 ? place.byteLength / count : 0;
  return {
    ...place,
    shape: [end - start, ...row],
    offset: place.offset + start * rowBytes,
    byteLength: (end - start) * rowBytes,
  };
}

/** All rows of a tensor, as ranges of about `size` elements; a vector and a small tensor are one piece. */
export function* rowRanges(shape: readonly number[], size: number): Generator<RowRange | undefined> {
  const elements = sizeOf(shape);
  if (shape.length < 2 || elements <= size) yield undefined;
  else {
    const count = shape[0]!;
    const step = Math.max(1, Math.floor((size * count) / elements));
    for (let start = 0; start < count; start += step) yield { start, end: Math.min(count, start + step) };
  }
}
