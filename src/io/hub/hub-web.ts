import { InputError } from "../../errors.js";
import type { Hub } from "./hub.js";
import { formatHubId, type HubId } from "./hub-id.js";

const refuse = (id: HubId): never => {
  throw new InputError(
    formatHubId(id),
    "is a name of the hub, whose files are kept on disk; that needs Node",
  );
};

/** In a browser there is no cache. */
export const hub: Hub = {
  openRepo: async (_, id) => refuse(id),
  getModel: async (id) => refuse(id),
};
