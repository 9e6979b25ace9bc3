import { InputError } from "../errors.js";
import { readFrontMatter } from "./front-matter.js";
import { type JsonObject, readTextFileIfPresent } from "./json-file.js";
import { pathInside } from "./model-folder.js";

/** What a model's files say of its license; nothing is made up where they say nothing. */
export interface License {
  /** Its identifier, such as `apache-2.0`; `other` for one that has a name only. */
  readonly id: string;
  readonly name?: string;
  /** Where its text is: an address, or a file beside the model. */
  readonly link?: string;
}

/** The license that the header of a model's README names. */
export function licenseOfCard(card: string): License | undefined {
  const { license, license_name, license_link } = readFrontMatter(card) ?? {};
  return licenseOf([license].flat()[0], license_name, license_link);
}

/** The license that a GGUF file's metadata name (`general.license`). */
export function licenseOfGguf(metadata: ReadonlyMap<string, unknown>): License | undefined {
  const [id, name, link] = ["", ".name", ".link"].map((end) => metadata.get(`general.license${end}`));
  return licenseOf(id, name, link);
}

function licenseOf(id: unknown, name: unknown, link: unknown): License | undefined {
  const text = (value: unknown) =>
    typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
  const [given, called, at] = [text(id), text(name), text(link)];
  if (given === undefined && called === undefined) return undefined;
  return {
    id: given?.toLowerCase() ?? "other",
    ...(called === undefined ? {} : { name: called }),
    ...(at === undefined ? {} : { link: at }),
  };
}

/** The license of a model's folder in Hugging Face form: of its README, or else of its config. */
export async function licenseOfFolder(path: string, config: JsonObject): Promise<License | undefined> {
  const card = await pathInside(path, "README.md")
    .then((file) => readTextFileIfPresent(file))
    .catch((error: unknown) => {
      // No text, or a link elsewhere: it is for people, and the model is sound without it.
      if (error instanceof InputError) return undefined;
      throw error;
    });
  return (
    (card === undefined ? undefined : licenseOfCard(card)) ?? licenseOf(config.license, undefined, undefined)
  );
}
