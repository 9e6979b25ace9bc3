import { type OpenFile, openFile } from "./byte-source.js";

/** Files of a model that are read by some of those who open it, beside its configs and weights. */
export type ModelPart = "tokenizer" | "index";

/** How the files of a model are had that are not read by everybody: they may be at the hub yet. */
export interface ModelAccess {
  /** Has the files of a part in the model's folder, if the model has them. */
  fetch(part: ModelPart): Promise<void>;
  /** Opens a file of weights. */
  readonly open: OpenFile;
}

/** A model whose files are all here. */
export const localAccess: ModelAccess = { fetch: async () => {}, open: openFile };
