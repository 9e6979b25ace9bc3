import { stat } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { InputError } from "../../errors.js";
import type { HubClient } from "./client.js";
import { HubMissing, pageOf, placeOf, type Subject } from "./hub-error.js";

/** A file to upload. */
export interface Upload {
  /** Its path in the repository. */
  readonly path: string;
  /** Where it is on this machine. */
  readonly file: string;
}

/** How it is uploaded. */
export interface UploadOptions {
  /** The title of the commit. */
  readonly title: string;
  /** A new repository is seen by those alone who have access to it. */
  readonly private: boolean;
}

/** What an upload made. */
export interface Uploaded {
  /** The new commit's hash. */
  readonly commit: string;
  /** The repository's page. */
  readonly url: string;
  readonly bytes: number;
}

/** A token without which nothing is written; the client puts it in the place of what the package sends. */
const placeholder = { accessToken: "hf_" };

/**
 * Uploads files to a model's repository, which is made when there is none, as one commit: all of them, or nothing changes.
 *
 * @throws InputError when it may not be written, or is public where it should be private.
 */
export async function uploadFiles(
  name: string,
  uploads: readonly Upload[],
  options: UploadOptions,
  client: HubClient,
): Promise<Uploaded> {
  const { endpoint, token, offline } = client.settings;
  const subject: Subject = { type: "model", name, writes: true };
  if (offline) throw new InputError("HF_HUB_OFFLINE", `is set, and ${name} is to be uploaded; unset it`);
  if (token === undefined) {
    const advice = `make one that may write at ${endpoint}/settings/tokens and set HF_TOKEN to it`;
    throw new InputError(placeOf(subject), `is to be uploaded, and there is no token; ${advice}`);
  }
  await prepareRepo(subject, options, client);

  const sizes = new Map<string, number>();
  for (const { path, file } of uploads) sizes.set(path, (await stat(file)).size);
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const shares = new Map<string, number>();
  const tell = () => {
    const done = [...shares].reduce((sum, [path, share]) => sum + share * (sizes.get(path) ?? 0), 0);
    client.observer.transfer?.({ direction: "upload", name, done: Math.round(done), total });
  };
  const { commitIter } = await import("@huggingface/hub");
  const events = commitIter({
    repo: { type: "model", name },
    title: options.title,
    operations: uploads.map(({ path, file }) => ({
      operation: "addOrUpdate",
      path,
      content: pathToFileURL(file),
    })),
    hubUrl: endpoint,
    fetch: client.fetchFor(subject),
  });
  try {
    for (;;) {
      const { done, value } = await events.next();
      if (done) {
        if (!value) throw new Error("the commit has no result");
        for (const path of sizes.keys()) shares.set(path, 1);
        tell();
        return { commit: value.commit.oid, url: pageOf(subject, endpoint), bytes: total };
      }
      if (value.event !== "fileProgress" || value.state !== "uploading") continue;
      shares.set(value.path, value.progress);
      tell();
    }
  } finally {
    client.observer.transferEnded?.();
  }
}

/** Makes the repository, or sees that the one that is there is as it should be. */
async function prepareRepo(subject: Subject, options: UploadOptions, client: HubClient): Promise<void> {
  const { createRepo, modelInfo } = await import("@huggingface/hub");
  const { name } = subject;
  const asked = { hubUrl: client.settings.endpoint, fetch: client.fetchFor(subject) };
  const find = () =>
    modelInfo({ name, ...asked }).catch((error: unknown) => {
      if (error instanceof HubMissing) return undefined;
      throw error;
    });
  const found = await find();
  if (!found) {
    const visibility = options.private ? { visibility: "private" as const } : {};
    const repo = { type: "model" as const, name };
    await createRepo({ repo, ...visibility, ...placeholder, ...asked }).catch(async (error: unknown) => {
      // Where the answer was lost, the second try finds what the first one made.
      if (!(await find())) throw error;
    });
  } else if (options.private && !found.private) {
    throw new InputError(
      placeOf(subject),
      `is public on ${client.settings.endpoint}; make it private in its settings there, or leave --private out`,
    );
  }
}
