import type { JsonObject } from "../../io/json-file.js";
import type { RunRecord } from "./run-record.js";

/** What a card is of: a titan; or what it becomes without its memories, a PEFT adapter or a plain model. */
export type CardKind = "titan" | "adapter" | "merged";

/** What a card is made of. */
export interface Card {
  readonly kind: CardKind;
  readonly modelId: string;
  /** The fields of a titan's `config.json`: this one's, or that of the one that it was made from. */
  readonly config: JsonObject;
  readonly record: RunRecord;
  /** Whether anything of it was trained. */
  readonly isTrained: boolean;
  /** `auto_map` of the base model's config, where the card tells how the model is loaded in its form. */
  readonly autoMap?: unknown;
  /** The file with the curves, in the folder. */
  readonly curves?: string | undefined;
}
