export { effectiveMagWeight } from "../tptt/effective-mag-weight.js";
