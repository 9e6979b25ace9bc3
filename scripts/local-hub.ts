// A hub on this machine, for trying and for CI: npm run local-hub -- --folder DIR [--port N] [--token hf_..]
// DIR holds models/org/name and datasets/org/name; what is pushed is written there. Set HF_ENDPOINT to the address that it prints.
import { mkdir } from "node:fs/promises";
import { parseArgs } from "node:util";
import { LocalHub } from "../test/io/hub/local-hub.js";

const { values } = parseArgs({
  options: {
    folder: { type: "string" },
    port: { type: "string", default: "0" },
    /** Its account may write everywhere. */
    token: { type: "string", default: "hf_local" },
  },
});
const { folder, port, token } = values;
if (folder === undefined) throw new Error("give the folder of the repositories with --folder");
await mkdir(folder, { recursive: true });
const hub = await LocalHub.start({
  folder,
  port: Number(port),
  accounts: { [token]: { name: "me", writes: true, organizations: ["org"], gated: true } },
});
console.log(hub.url);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => hub.close());
