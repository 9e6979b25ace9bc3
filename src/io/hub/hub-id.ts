/** A repository of the hub, or a folder or file in it, as `org/name[@revision][/subfolder]` names it. */
export interface HubId {
  /** `org/name` */
  readonly name: string;
  /** A branch, a tag, a commit, or a ref such as `refs/pr/1`; undefined is the main branch. */
  readonly revision?: string | undefined;
  /** The folder or file inside the repository. */
  readonly subfolder?: string | undefined;
}

/** What kind of repository it is. */
export type RepoType = "model" | "dataset";

/** `org/name`, `@revision`, `/subfolder`; a revision that begins with `refs/` has two more parts. */
const form = /^([^/@]+\/[^/@]+)(?:@(refs\/[^/]+\/[^/]+|[^/]+))?(?:\/(.+))?$/;

const namePart = /^\w(?:[\w.-]*\w)?$/;
const revisionPart = /^[\w][\w.+-]*$/;

/** Two parts that end so are a file that is not there: no repository is called like that. */
const fileEnding = /\.(json|jsonl|ndjson|csv|tsv|parquet|txt|gguf|safetensors|ya?ml|md)$/i;

/** Reads a name. @returns undefined when it cannot be one of the hub: it is a path then. */
export function parseHubId(text: string): HubId | undefined {
  const [, name = "", revision, subfolder] = form.exec(text) ?? [];
  if (name.length > 96 || !name.split("/").every(isName)) return undefined;
  if (revision !== undefined && !revision.split("/").every((part) => revisionPart.test(part)))
    return undefined;
  if (subfolder !== undefined && !isInside(subfolder)) return undefined;
  if (revision === undefined && subfolder === undefined && fileEnding.test(name)) return undefined;
  return {
    name,
    ...(revision === undefined ? {} : { revision }),
    ...(subfolder === undefined ? {} : { subfolder }),
  };
}

/** The name again: `org/name@revision/subfolder`. */
export function formatHubId({ name, revision, subfolder }: HubId): string {
  return [
    `${name}${revision === undefined ? "" : `@${revision}`}`,
    ...(subfolder === undefined ? [] : [subfolder]),
  ].join("/");
}

const isName = (part: string): boolean => namePart.test(part) && !/--|\.\./.test(part);

/** Whether a path inside a repository names something in it: no parent folder, no drive, no other separators. */
export function isInside(path: string): boolean {
  return (
    !/[\\\0:]/.test(path) && path.split("/").every((part) => part !== "" && part !== "." && part !== "..")
  );
}
