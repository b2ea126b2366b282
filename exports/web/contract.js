/** Sizes of the input and output of every model that keeps flaxdigits' contract, and the threshold of digitness. */

export const SIDE = 28; // of an image, pixels
export const CLASSES = 10;
export const THRESHOLD = 0.5; // of digitness; below it a picture counts as no digit
