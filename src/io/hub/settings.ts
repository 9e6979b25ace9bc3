import { homedir } from "node:os";
import { join } from "node:path";
import { InputError } from "../../errors.js";
import { readTextFileIfPresent } from "../json-file.js";

/** How the hub is reached: what the environment says, by the names that `huggingface_hub` has for it. */
export interface HubSettings {
  /** Where the hub is, without a slash at the end: `HF_ENDPOINT`. */
  readonly endpoint: string;
  /** The folder of the cache: `HF_HUB_CACHE`, or `hub` in `HF_HOME`. */
  readonly cache: string;
  /** From `HF_TOKEN`, or the file that `hf auth login` writes. */
  readonly token: string | undefined;
  /** Where the token is from, or belongs, for errors. */
  readonly tokenPlace: string;
  /** Nothing is asked of the network: `HF_HUB_OFFLINE`. */
  readonly offline: boolean;
  /** Milliseconds before the first repetition of a failed request; doubled before each one after it. */
  readonly retryDelay: number;
  /** Milliseconds without a byte after which a connection is given up. */
  readonly stallTimeout: number;
}

/** Whether an address is the hub's own, and not that of its storage. */
export const isHubAddress = (url: string | URL, { endpoint }: HubSettings): boolean =>
  new URL(url).origin === new URL(endpoint).origin;

type Environment = Readonly<Record<string, string | undefined>>;

const isOn = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value ?? "");

/** Reads the settings. @throws InputError naming the variable or file that cannot be used. */
export async function readHubSettings(environment: Environment = process.env): Promise<HubSettings> {
  /** An empty variable is none. */
  const get = (name: string): string | undefined => environment[name] || undefined;
  const folder = (name: string): string | undefined => get(name)?.replace(/^~(?=$|[/\\])/, homedir());
  const home =
    folder("HF_HOME") ?? join(folder("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "huggingface");
  const tokenFile = folder("HF_TOKEN_PATH") ?? join(home, "token");
  const fromVariable = get("HF_TOKEN") ?? get("HUGGING_FACE_HUB_TOKEN");
  const token = (fromVariable ?? (await readTextFileIfPresent(tokenFile)) ?? "").trim();
  const tokenPlace = fromVariable === undefined ? tokenFile : "HF_TOKEN";
  // What else were in a header could end it, and the error of that would show the token.
  if (!/^[\x21-\x7e]*$/.test(token)) {
    throw new InputError(
      tokenPlace,
      "holds no token: expected one line of letters and digits, such as hf_...",
    );
  }
  return {
    endpoint: endpointOf(get("HF_ENDPOINT") ?? "https://huggingface.co"),
    cache: folder("HF_HUB_CACHE") ?? folder("HUGGINGFACE_HUB_CACHE") ?? join(home, "hub"),
    token: token === "" ? undefined : token,
    tokenPlace,
    offline: isOn(get("HF_HUB_OFFLINE")) || isOn(get("TRANSFORMERS_OFFLINE")),
    retryDelay: 500,
    stallTimeout: 30_000,
  };
}

function endpointOf(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text.replace(/\/+$/, "");
  throw new InputError("HF_ENDPOINT", `is ${text}, expected an address such as https://huggingface.co`);
}
