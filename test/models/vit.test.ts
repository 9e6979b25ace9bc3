import { describeEncoderParity } from "./encoder-parity.js";

for (const name of ["vit", "vit-oblong"]) describeEncoderParity(name);
