import { Writable } from "node:stream";

/** A stream that keeps what is written to it. */
export class Sink extends Writable {
  text = "";
  readonly isTTY: boolean;

  constructor(isTTY = false) {
    super();
    this.isTTY = isTTY;
  }

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.text += chunk.toString();
    callback();
  }
}

/** The lines that a terminal shows after a text with the control sequences that the bar uses. */
export function screen(text: string): string[] {
  const lines = [""];
  const saved = { row: 0, column: 0 };
  let [row, column] = [0, 0];
  for (const piece of text.match(pieces) ?? []) {
    if (piece === "\n") {
      [row, column] = [row + 1, 0];
      lines[row] ??= "";
    } else if (piece === `${esc}7`) [saved.row, saved.column] = [row, column];
    else if (piece === `${esc}8`) [row, column] = [saved.row, saved.column];
    else if (piece === `${esc}[1G`) column = 0;
    else if (piece === `${esc}[0K`) lines[row] = lines[row]!.slice(0, column);
    else if (piece === `${esc}[2K`) lines[row] = "";
    else if (piece.startsWith(esc)) throw new Error(`unknown sequence ${JSON.stringify(piece)}`);
    else {
      lines[row] =
        lines[row]!.slice(0, column).padEnd(column) + piece + lines[row]!.slice(column + piece.length);
      column += piece.length;
    }
  }
  return lines.filter((line) => line !== "");
}
const esc = String.fromCharCode(27);
const pieces = new RegExp(`\\n|${esc}(?:[78]|\\[\\d*[A-Z])|[^\\n${esc}]+`, "g");
