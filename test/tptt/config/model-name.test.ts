import { expect, test } from "vitest";
import { camelFields } from "../../../src/io/field-names.js";
import { getModelName, type ModelNameOptions } from "../../../src/tptt/config/model-name.js";
import python from "../../fixtures/tptt/modules.json" with { type: "json" };

test.each(python.modelNames.map(({ options, name }) => [options, name] as const))(
  "the name of %j is Python's",
  (options, name) => {
    expect(getModelName({ ...(camelFields(options) as ModelNameOptions), addDate: false })).toBe(name);
  },
);

test("a name ends with the day", () => {
  const date = new Date(2025, 8, 3, 23, 59);
  expect(getModelName({ date })).toBe(`${python.modelNames[0]!.name}_2025-09-03`);
  expect(getModelName()).toMatch(/_trick-dt_\d{4}-\d\d-\d\d$/);
});
