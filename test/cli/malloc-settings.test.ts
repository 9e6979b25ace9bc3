import { expect, test } from "vitest";
import { mallocSettings } from "../../src/cli/malloc-settings.js";

const onLinux = test.runIf(process.platform === "linux");

const settings =
  "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=268435456";

onLinux("malloc's settings are added to what the environment says", () => {
  expect(mallocSettings({ HOME: "/h" })).toEqual({ HOME: "/h", GLIBC_TUNABLES: settings });
  expect(mallocSettings({ GLIBC_TUNABLES: "glibc.malloc.check=1" })).toEqual({
    GLIBC_TUNABLES: `glibc.malloc.check=1:${settings}`,
  });
});

onLinux.each(["glibc.malloc.hugetlb=0", "glibc.malloc.trim_threshold=1000000"])(
  "what the user has decided stays: %s",
  (given) => {
    expect(mallocSettings({ GLIBC_TUNABLES: given })).toBeUndefined();
  },
);
