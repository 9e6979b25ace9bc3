import { expect, test } from "vitest";
import { hub } from "../../../src/io/hub/hub-web.js";

test("in a browser a name of the hub is an error that says why", async () => {
  const id = { name: "org/name", revision: "main" };
  const message = /^org\/name@main: is a name of the hub, whose files are kept on disk; that needs Node$/;
  await expect(hub.getModel(id)).rejects.toThrow(message);
  await expect(hub.openRepo("dataset", id)).rejects.toThrow(message);
});
