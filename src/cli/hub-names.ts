import { resolve } from "node:path";
import { hub } from "#hub";
import { datasetPlace } from "../data/dataset-files.js";
import type { HubObserver } from "../io/hub/hub.js";
import { formatHubId, type RepoType } from "../io/hub/hub-id.js";
import { hubIdOf } from "../io/hub/locate-model.js";
import type { Reporter } from "./reporter.js";

/** Shows what comes from the hub and goes there. */
export const observeHub = (reporter: Reporter): HubObserver => ({
  transfer: ({ direction, name, done, total }) => reporter.transfer(`${direction} ${name}`, done, total),
  transferEnded: () => reporter.close(),
  note: (text) => reporter.note(text),
});

/** A name that means the same from any folder and on any later day: an absolute path, or the hub's at its commit. */
export async function lastingName(type: RepoType, name: string): Promise<string> {
  const place = type === "dataset" ? await datasetPlace(name) : ((await hubIdOf(name)) ?? resolve(name));
  if (typeof place === "string") return place;
  return formatHubId({ ...place, revision: (await hub.openRepo(type, place)).commit });
}
