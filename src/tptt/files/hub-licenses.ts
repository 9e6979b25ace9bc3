import type { License } from "../../io/license.js";

/** The identifiers that the hub knows (https://huggingface.co/docs/hub/repositories-licenses). */
const identifiers = new Set(
  `apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
  afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
  cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
  cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
  cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1
  lgpl-3.0 isc intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl openrail++ osl-3.0 postgresql
  ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license llama2 llama3 llama3.1 llama3.2 llama3.3 gemma unknown
  other`.split(/\s+/),
);

/** The fields of a card's header that say a license. */
export interface LicenseFields {
  readonly license: string;
  readonly license_name?: string;
  readonly license_link?: string;
}

/**
 * A license as the hub takes it: by its identifier, or as `other` with a name. A link that is no address leads to a file
 * beside the base model: it is kept where that is on the hub.
 */
export function hubLicense({ id, name, link }: License, baseModelId: string | undefined): LicenseFields {
  const license = identifiers.has(id) ? id : "other";
  const called = name ?? (license === id ? undefined : id);
  const at =
    link === undefined || /^https?:\/\//.test(link)
      ? link
      : baseModelId && `https://huggingface.co/${baseModelId}/blob/main/${link}`;
  return {
    license,
    ...(called === undefined ? {} : { license_name: nameOf(called) }),
    ...(at === undefined ? {} : { license_link: at }),
  };
}

/** `My License 1.0` -> `my-license-1.0`, as the hub wants names. */
const nameOf = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9.]+/g, "-")
    .replaceAll(/^-|-$/g, "");
