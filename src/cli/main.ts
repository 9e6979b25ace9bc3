#!/usr/bin/env node
import { mallocSettings, runAgain } from "./malloc-settings.js";

const env = mallocSettings();
if (env) process.exitCode = await runAgain(env);
else await import("./this-process.js");
