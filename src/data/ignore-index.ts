/** The label of a token that is not predicted: padding, a masked prompt. A file of its own, for it is needed everywhere. */
export const ignoreIndex = -100;
