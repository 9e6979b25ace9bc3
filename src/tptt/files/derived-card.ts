import { basename, join } from "node:path";
import { readTextFileIfPresent } from "../../io/json-file.js";
import type { CardKind } from "./card.js";
import { cardVariables, licenseVariables } from "./card-variables.js";
import { locateTemplate, modelCardTemplate, renderTemplate, writeModelCard } from "./model-card.js";
import { readRunRecord } from "./run-record.js";
import type { TitanSnapshot } from "./snapshot.js";
import { readTitanConfig } from "./titan-folder.js";

/**
 * Writes the card of what a titan becomes without its memories: what the titan's folder tells of its training is on it,
 * and that the memories were there. A README that is in the folder stays.
 *
 * @throws InputError when a file of the titan's folder is not what it should be.
 */
export async function writeDerivedCard(
  folder: string,
  kind: Exclude<CardKind, "titan">,
  titan: TitanSnapshot,
): Promise<void> {
  if ((await readTextFileIfPresent(join(folder, "README.md"))) !== undefined) return;
  const { baseConfig, baseLicense, loadedFrom, trainable } = titan;
  const trainedAs = loadedFrom === undefined ? undefined : await readTitanConfig(loadedFrom);
  // Whoever opened it may have left the memories out that were there in training.
  const { disableLinearAttn } = trainedAs ?? titan.config;
  const config = titan.config.with({ disableLinearAttn }).toJson(baseConfig);
  const card = {
    kind,
    modelId: `${basename(titan.config.baseModelName)}-${kind}`,
    config,
    record: await readRunRecord(loadedFrom ?? folder),
    isTrained: trainable.length > 0,
    autoMap: baseConfig.auto_map,
  };
  const variables = cardVariables(card, licenseVariables(baseLicense));
  await writeModelCard(folder, await renderTemplate(await locateTemplate(modelCardTemplate), variables));
}
