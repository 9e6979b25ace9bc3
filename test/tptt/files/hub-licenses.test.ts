import { expect, test } from "vitest";
import { hubLicense } from "../../../src/tptt/files/hub-licenses.js";

test("a license that the hub knows stays as it is, another one is called other and keeps its name", () => {
  expect(hubLicense({ id: "apache-2.0" }, undefined)).toEqual({ license: "apache-2.0" });
  expect(hubLicense({ id: "Research, v2" }, undefined)).toEqual({
    license: "other",
    license_name: "research-v2",
  });
  expect(hubLicense({ id: "other", name: "Mine", link: "https://example.org/mine" }, undefined)).toEqual({
    license: "other",
    license_name: "mine",
    license_link: "https://example.org/mine",
  });
});

test("a file beside the base model is linked where it is on the hub, and nowhere else", () => {
  const license = { id: "other", name: "own", link: "LICENSE" };
  expect(hubLicense(license, "org/base").license_link).toBe(
    "https://huggingface.co/org/base/blob/main/LICENSE",
  );
  expect(hubLicense(license, undefined)).not.toHaveProperty("license_link");
});
