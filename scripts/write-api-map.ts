/** Writes docs/api-map.md: where every name of the Python package is here. */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { apiMapMarkdown } from "./api-map/markdown.js";

await writeFile(fileURLToPath(new URL("../docs/api-map.md", import.meta.url)), apiMapMarkdown());
