import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished, vi } from "vitest";
import { HubClient } from "../../../src/io/hub/client.js";
import type { HubTransfer } from "../../../src/io/hub/hub.js";
import type { HubSettings } from "../../../src/io/hub/settings.js";
import { temporaryFolder } from "../../models/fixture.js";
import { LocalHub, type LocalHubOptions } from "./local-hub.js";

export const accounts = {
  hf_reader: { name: "reader" },
  hf_member: { name: "member", gated: true },
  hf_writer: { name: "writer", writes: true, organizations: ["org"], gated: true },
};

/** A hub and a cache for one test. */
export interface TestHub {
  readonly hub: LocalHub;
  readonly settings: HubSettings;
  /** The folder of the cache. */
  readonly cache: string;
  /** A client that does not wait long, and what it told. */
  client(
    changes?: Partial<HubSettings>,
  ): HubClient & { readonly told: HubTransfer[]; readonly notes: string[] };
  /** Has this process use them, as the environment's variables say it. */
  useAsEnvironment(token?: string): void;
}

export async function openHub(options: LocalHubOptions = {}): Promise<TestHub> {
  const hub = await LocalHub.start({ accounts, ...options });
  onTestFinished(() => hub.close());
  const home = await temporaryFolder();
  const settings: HubSettings = {
    endpoint: hub.url,
    cache: join(home, "hub"),
    token: undefined,
    tokenPlace: "HF_TOKEN",
    offline: false,
    retryDelay: 1,
    stallTimeout: 20_000,
  };
  return {
    hub,
    settings,
    cache: settings.cache,
    client(changes = {}) {
      const told: HubTransfer[] = [];
      const notes: string[] = [];
      const observer = {
        transfer: (transfer: HubTransfer) => told.push(transfer),
        note: (text: string) => notes.push(text),
      };
      return Object.assign(new HubClient({ ...settings, ...changes }, observer), { told, notes });
    },
    useAsEnvironment(token = "") {
      vi.stubEnv("HF_ENDPOINT", hub.url);
      vi.stubEnv("HF_HOME", home);
      vi.stubEnv("HF_HUB_OFFLINE", "");
      vi.stubEnv("HF_TOKEN", token);
      onTestFinished(() => {
        vi.unstubAllEnvs();
      });
    },
  };
}

/** The files of a folder, as a repository has them. */
export async function filesIn(folder: string, prefix = ""): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for (const name of await readdir(folder, { recursive: true })) {
    const path = join(folder, name);
    if ((await stat(path)).isFile()) files[prefix + name] = await readFile(path);
  }
  return files;
}
