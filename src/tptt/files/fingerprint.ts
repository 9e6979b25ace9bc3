import type { FrozenWeights, Tensor } from "../../engine/index.js";
import { InputError } from "../../errors.js";
import { sha256 } from "../../io/digest.js";
import type { TpttConfig } from "../config/config.js";
import type { DecoderSettings } from "../graphs/decoder.js";
import type { TitanSnapshot } from "./snapshot.js";

/** What tells apart the models and settings under which the same tokens leave another state: hashes, and mu. */
export interface Fingerprint {
  readonly base_config: string;
  readonly base_weights: string;
  readonly config: string;
  readonly trained_weights: string;
  readonly mag_weights: string;
}

/** What to do where a part of the fingerprint differs. */
const remedies: Readonly<Record<keyof Fingerprint, string>> = {
  base_config: "open it with the base model that wrote it",
  base_weights: "open it with the base model that wrote it, held in the same precision (quantize, dtype)",
  config: "open it with the titan that wrote it",
  trained_weights: "open it with the titan that wrote it, trained as far as it was then",
  mag_weights: "set mag_weight to what it was then",
};

/** Takes the fingerprint of a titan with the settings of one of its decoders; all weights are read for it. */
export async function fingerprintOf(
  { config, baseConfig, parts }: TitanSnapshot,
  { mode, magWeights, params }: DecoderSettings,
): Promise<Fingerprint> {
  return {
    base_config: await sha256(JSON.stringify(baseConfig)),
    base_weights: await digestOfWeights(parts.frozen),
    config: await sha256(JSON.stringify(computationOf(config))),
    trained_weights: await digestOfTensors(Object.entries(params)),
    // Without both paths in the graph the shares count for nothing, but which of them is there.
    mag_weights: mode === "mixed" ? JSON.stringify(magWeights) : mode,
  };
}

/**
 * @param where the file that the other is from.
 * @throws InputError when the fingerprints are not the same: what differs, and what to do.
 */
export function requireSameModel(found: Fingerprint, expected: Fingerprint, where: string): void {
  for (const [part, remedy] of Object.entries(remedies) as [keyof Fingerprint, string][]) {
    if (found[part] === expected[part]) continue;
    const short = (value: string) => (part === "mag_weights" ? value : value.slice(0, 12));
    throw new InputError(
      `${where}: ${part}`,
      `is ${short(found[part])}, this model's is ${short(expected[part])}: the state is another model's; ${remedy}`,
    );
  }
}

/** A hash of tensors and their names, in the order of the names. */
export async function digestOfTensors(tensors: Iterable<readonly [string, Tensor]>): Promise<string> {
  const lines = [...tensors]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(async ([name, { dtype, shape, data }]) => {
      const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
      return `${name} ${dtype} [${shape}] ${await sha256(bytes)}`;
    });
  return sha256((await Promise.all(lines)).join("\n"));
}

async function digestOfWeights(frozen: FrozenWeights): Promise<string> {
  const lines: string[] = [];
  for await (const { name, bytes } of frozen.contents()) lines.push(`${name} ${await sha256(bytes)}`);
  return sha256(lines.join("\n"));
}

/** What of a config the numbers depend on, beside the base model and mu. */
function computationOf(config: TpttConfig): object {
  const { loraConfig: lora } = config;
  const { order, alphaGate, betaGate, linear, trick } = config.recurrentConfig;
  return [
    [order, alphaGate, betaGate, linear, trick],
    [config.operatorForm, config.poolingConfig.lookahead, config.bidirectional, config.paddingSide],
    [config.maxChunkSize, config.maxSelfAttnLength ?? null],
    [config.magMode, config.crossGate, config.baseScaleAttn, config.targetModulesNames],
    lora ? [lora.r, lora.loraAlpha, lora.useRslora, lora.rankPattern, lora.alphaPattern] : null,
  ];
}
