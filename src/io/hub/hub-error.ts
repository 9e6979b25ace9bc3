import { InputError } from "../../errors.js";
import { formatHubId, type HubId, type RepoType } from "./hub-id.js";
import { type HubSettings, isHubAddress } from "./settings.js";

/** What was asked for, for errors. */
export interface Subject extends HubId {
  readonly type: RepoType;
  /** The file in it. */
  readonly file?: string;
  /** What was to be written, rather than read. */
  readonly writes?: boolean;
}

/** The hub did not answer: a name that is not found, a connection that is refused or silent, its own errors. */
export class HubUnreachable extends InputError {}

/** There is no such repository, or none that this token may see. */
export class HubMissing extends InputError {}

/** `org/name@revision: file` */
export const placeOf = (subject: Subject): string =>
  `${formatHubId(subject)}${subject.file === undefined ? "" : `: ${subject.file}`}`;

/** Who gave the name may have meant a path; none is there, or the hub would not be asked. */
const mayBePath = ({ file, writes }: Subject): boolean => file === undefined && !writes;

/** How an error about something that is not to be had begins. */
export const notHere = (subject: Subject): string =>
  mayBePath(subject) ? "is no file or folder here, and " : "is ";

/** The page of a repository. */
export const pageOf = ({ type, name }: Subject, endpoint: string): string =>
  `${endpoint}/${type === "dataset" ? "datasets/" : ""}${name}`;

/** What an answer that is none means, and what can be done. */
export function refusal(
  { status, headers, url }: Pick<Response, "status" | "headers" | "url">,
  subject: Subject,
  settings: HubSettings,
): InputError {
  const { endpoint, token, tokenPlace } = settings;
  const where = placeOf(subject);
  const what = subject.type === "dataset" ? "data set" : "model";
  const code = headers.get("x-error-code");
  // A storage knows nothing of repositories and tokens, and has no such codes; a mirror may send us on to the hub itself.
  if (!isHubAddress(url, settings) && code === null && status < 500 && status !== 429) {
    return new InputError(
      where,
      `${new URL(url).origin}, where ${endpoint} has its large files, refuses (${status}); try again: what is there already is not sent again`,
    );
  }
  const page = pageOf(subject, endpoint);
  const newToken = `${endpoint}/settings/tokens`;
  const wanted = subject.writes ? "a token that may write" : "a token";
  if (code === "GatedRepo") {
    const then = token ? "" : `, then set HF_TOKEN to a token of that account (${newToken})`;
    const problem = status === 403 ? ", and the token's account has no access to it" : "";
    return new InputError(where, `is gated${problem}; ask for access at ${page}${then}`);
  }
  if (status === 401 && token && code !== "RepoNotFound") {
    return new InputError(
      where,
      `the hub does not know the token in ${tokenPlace}; make ${wanted} at ${newToken}`,
    );
  }
  if (status === 403) {
    const problem = subject.writes ? "may not write there" : "has no access to it";
    const account = token ? `the token in ${tokenPlace}` : "who has no token";
    return new InputError(where, `is refused: ${account} ${problem}; make ${wanted} that may at ${newToken}`);
  }
  if (status === 404 && code === "RevisionNotFound") {
    return new InputError(
      where,
      `has no revision ${subject.revision ?? "main"}; see ${page}/tree/main for those that it has`,
    );
  }
  if (status === 404 && (code === "EntryNotFound" || (code === null && subject.file !== undefined))) {
    return new InputError(where, `has no such file; see ${page}/tree/${subject.revision ?? "main"}`);
  }
  // The hub does not tell strangers which private repositories there are.
  if (status === 401 || status === 404) {
    const access = token
      ? `check that the account of the token in ${tokenPlace} has access to it`
      : `if it is private or gated, set HF_TOKEN to ${wanted} of an account with access (${newToken})`;
    return new HubMissing(
      where,
      `${notHere(subject)}no ${what} on ${endpoint} that can be seen; check the name, or ${access}`,
    );
  }
  if (status === 429) {
    return new InputError(
      where,
      `${endpoint} has had too many requests (429); wait some minutes, or set HF_TOKEN`,
    );
  }
  if (status >= 500) {
    return new HubUnreachable(where, `${endpoint} has an error of its own (${status}); try again later`);
  }
  return new InputError(
    where,
    `${endpoint} refuses (${status}${describe(headers)}); check the name and the token`,
  );
}

/** The hub's own words, where it has some. */
function describe(headers: Headers): string {
  const message = headers.get("x-error-message");
  return message === null ? "" : `: ${message.slice(0, 200)}`;
}

/** Why there was no answer. */
export function unreachable(error: unknown, subject: Subject, { endpoint }: HubSettings): HubUnreachable {
  const reasons = [];
  for (let at = error; at instanceof Error && reasons.length < 3; at = at.cause) reasons.push(at.message);
  const problem = `${mayBePath(subject) ? notHere(subject) : ""}${endpoint} cannot be reached (${reasons.join(": ")})`;
  return new HubUnreachable(placeOf(subject), `${problem}; check the network and HF_ENDPOINT`, {
    cause: error,
  });
}
