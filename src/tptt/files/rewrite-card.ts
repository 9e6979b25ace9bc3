import { resolve } from "node:path";
import { InputError } from "../../errors.js";
import { readJsonFileIfPresent, readTextFileIfPresent } from "../../io/json-file.js";
import { licenseOfCard } from "../../io/license.js";
import { pathInside } from "../../io/model-folder.js";
import { licenseVariables } from "./card-variables.js";
import { generateModelCard } from "./model-card.js";

/**
 * Writes the card of a saved titan again, from what its folder holds by now. The license is what the card that is there
 * says: that of the base model, or what a person has put in its place.
 *
 * @param template as {@link generateModelCard} takes it.
 * @throws InputError when the folder is no titan's, and as {@link generateModelCard}.
 */
export async function rewriteModelCard(folder: string, template: string | null = null): Promise<void> {
  const where = await pathInside(folder, "config.json");
  const config = await readJsonFileIfPresent(where);
  if (config?.model_type !== "tptt") {
    throw new InputError(config ? where : folder, "is no titan's; give the folder of a saved titan");
  }
  const card = await readTextFileIfPresent(await pathInside(folder, "README.md"));
  const license = card === undefined ? undefined : licenseOfCard(card);
  await generateModelCard(resolve(folder), config, template, licenseVariables(license));
}
