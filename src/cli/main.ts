#!/usr/bin/env node
import { largePages, runAgain } from "./large-pages.js";

const env = largePages();
if (env) process.exitCode = await runAgain(env);
else await import("./this-process.js");
