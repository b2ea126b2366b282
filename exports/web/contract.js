/** Sizes of the input and output of every model that keeps flaxdigits' contract. */

export const SIDE = 28; // of an image, pixels
export const CLASSES = 10;
