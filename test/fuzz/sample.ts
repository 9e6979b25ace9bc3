import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError } from "../../src/errors.js";
import type { Mutation } from "./mutate-bytes.js";

/** A sound file that is changed and read again and again. */
export interface Sample {
  /** The folder that it lies in, with what it is read together with; the fuzzer's own. */
  readonly folder: string;
  /** The name of the file that is changed. */
  readonly file: string;
  readonly bytes: Buffer;
  readonly mutate: Mutation;
  /** Reads it as the program does. Steps that are refused one by one are told to `step`. */
  read(step: Step): Promise<void>;
}

/** Does a part of the reading: an InputError ends it and is noted, any other error ends all. */
export type Step = (work: () => unknown) => Promise<void>;

/** What reads files of a kind. */
export interface Reader {
  readonly name: string;
  /** Makes its samples, each in a folder inside `root`. */
  samples(root: string): Promise<readonly Sample[]>;
}

const fixtures = fileURLToPath(new URL("../fixtures/", import.meta.url));
export const fixture = (path: string): string => join(fixtures, path);

let folders = 0;

/** A sample of a file, in a folder with others: their contents by their names, and copies of folders. */
export async function sample(
  root: string,
  { file, bytes, mutate, read, beside = {}, copyOf }: SampleParts,
): Promise<Sample> {
  const folder = join(root, String(folders++), "model");
  await mkdir(folder, { recursive: true });
  if (copyOf !== undefined) await cp(copyOf, folder, { recursive: true });
  for (const [name, content] of Object.entries(beside)) await writeFile(join(folder, name), content);
  return { folder, file, bytes: Buffer.from(bytes), mutate, read: (step) => read(folder, step) };
}

interface SampleParts {
  readonly file: string;
  readonly bytes: Uint8Array | string;
  readonly mutate: Mutation;
  readonly beside?: Readonly<Record<string, string | Uint8Array>>;
  readonly copyOf?: string;
  read(folder: string, step: Step): Promise<void>;
}

/** @returns the steps of one reading, and why the first was refused that was. */
export function steps(): { readonly step: Step; refused(): InputError | undefined } {
  let refused: InputError | undefined;
  return {
    step: async (work) => {
      try {
        await work();
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        refused ??= error;
      }
    },
    refused: () => refused,
  };
}
