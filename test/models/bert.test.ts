import { describeEncoderParity } from "./encoder-parity.js";

describeEncoderParity("bert");
