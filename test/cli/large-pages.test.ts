import { expect, test } from "vitest";
import { largePages } from "../../src/cli/large-pages.js";

const onLinux = test.runIf(process.platform === "linux");

onLinux("large pages are added to what the environment says", () => {
  expect(largePages({ HOME: "/h" })).toEqual({ HOME: "/h", GLIBC_TUNABLES: "glibc.malloc.hugetlb=1" });
  expect(largePages({ GLIBC_TUNABLES: "glibc.malloc.check=1" })).toEqual({
    GLIBC_TUNABLES: "glibc.malloc.check=1:glibc.malloc.hugetlb=1",
  });
});

onLinux("what the user has decided stays", () => {
  expect(largePages({ GLIBC_TUNABLES: "glibc.malloc.hugetlb=0" })).toBeUndefined();
});
