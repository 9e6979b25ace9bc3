/** Whether work can be stopped from outside: nothing in a browser does that. Patterns that may need it are refused. */
export const stops = false;

/** Runs work; see the module for Node, which the import condition `#time-limit` chooses there. */
export const withinTime = <T>(work: () => T): { readonly value: T } => ({ value: work() });
