import { join } from "node:path";
import { InputError } from "../../errors.js";
import { isObject, readJsonFile } from "../json-file.js";
import type { HubRepo } from "./hub.js";
import { isInside } from "./hub-id.js";

/** The files of a model that we read. */
export interface ModelFiles {
  /** Its folder or GGUF file, as a path in the repository; empty for the repository itself. */
  readonly path: string;
  /** What everybody reads, as paths in the repository, as those below; also what belongs to what may be passed on. */
  readonly configs: readonly string[];
  readonly tokenizer: readonly string[];
  /** Of shards. */
  readonly index: readonly string[];
  /** The weights; of shards those that the index names, which is downloaded for that. */
  weights(): Promise<readonly string[]>;
}

const configNames = new Set([
  "config.json",
  "generation_config.json",
  "preprocessor_config.json",
  "adapter_config.json",
  // Which of its versions a titan of the Python package is of: it is read, not run.
  "modeling_tptt.py",
  "README.md",
  "LICENSE",
]);

const tokenizerNames = new Set([
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
]);

const indexName = "model.safetensors.index.json";
const adapterWeights = "adapter_model.safetensors";

/**
 * Chooses the files of a model: config, tokenizer, and safetensors weights or those of an adapter; or one GGUF file, when
 * it is named or is all that there is. Weights in other formats are left where they are.
 *
 * @throws InputError when there is no such folder, nothing that we can read, or a choice.
 */
export async function chooseModelFiles(repo: HubRepo, subfolder: string | undefined): Promise<ModelFiles> {
  if (subfolder !== undefined && repo.files.has(subfolder)) {
    if (/\.gguf$/i.test(subfolder)) return ggufFile(subfolder);
    throw new InputError(`${repo.name}/${subfolder}`, "is a file, expected a GGUF file or a folder");
  }
  const folder = subfolder === undefined ? "" : `${subfolder}/`;
  const names = [...repo.files.keys()]
    .filter((path) => path.startsWith(folder))
    .map((path) => path.slice(folder.length));
  if (names.length === 0) {
    const folders = [
      ...new Set(
        [...repo.files.keys()].filter((path) => path.includes("/")).map((path) => path.split("/")[0]),
      ),
    ];
    const known = folders.length > 0 ? `; there are ${folders.slice(0, 12).join(", ")}` : "";
    throw new InputError(repo.name, `has no folder ${subfolder ?? ""}${known}`);
  }
  const here = (name: string) => names.includes(name);
  const paths = (chosen: readonly string[]) => chosen.map((name) => folder + name);
  const inFolder = {
    path: subfolder ?? "",
    configs: paths(names.filter((name) => configNames.has(name))),
    tokenizer: paths(names.filter((name) => tokenizerNames.has(name))),
  };
  const where = [repo.name, ...(subfolder === undefined ? [] : [subfolder])].join("/");
  const weights = ["model.safetensors", adapterWeights].filter(here);
  const hasWeights = weights.length > 0 || here(indexName);
  if (hasWeights && !here("config.json") && !here("adapter_config.json")) {
    throw new InputError(
      where,
      `has weights but no config.json, expected both in one folder; it has ${names.slice(0, 12).join(", ")}`,
    );
  }
  if (here(indexName)) {
    const index = folder + indexName;
    return { ...inFolder, index: [index], weights: async () => paths(await shardsOf(repo, index)) };
  }
  if (weights.length > 0) return { ...inFolder, index: [], weights: async () => paths(weights) };
  const gguf = names.filter((name) => /^(?!mmproj)[^/]*\.gguf$/i.test(name));
  if (gguf.length === 1) return ggufFile(folder + gguf[0]);
  if (gguf.length > 1) {
    throw new InputError(
      where,
      `has ${gguf.length} GGUF files, name one of them: ${gguf.map((name) => `${where}/${name}`).join(", ")}`,
    );
  }
  // A titan without trained weights is its config alone.
  if (here("config.json") && !names.some((name) => /\.(bin|pt|pth|h5|msgpack|onnx|ckpt)$/.test(name))) {
    return { ...inFolder, index: [], weights: async () => [] };
  }
  throw new InputError(
    where,
    `has no weights that can be read, expected model.safetensors or a GGUF file; it has ${names.slice(0, 12).join(", ")}`,
  );
}

const ggufFile = (path: string): ModelFiles => ({
  path,
  configs: [],
  tokenizer: [],
  index: [],
  weights: async () => [path],
});

/** The files that an index names. */
async function shardsOf(repo: HubRepo, index: string): Promise<string[]> {
  const path = join(await repo.get([index]), index);
  const { weight_map } = await readJsonFile(path);
  const shards = isObject(weight_map) ? [...new Set(Object.values(weight_map))] : [];
  const known = shards.filter((name): name is string => typeof name === "string" && isInside(name));
  if (known.length > 0 && known.length === shards.length) return known;
  throw new InputError(`${path}: weight_map`, "names no files, expected the shard of each tensor");
}
