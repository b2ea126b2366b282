/** Input and output sizes of every model that satisfies flaxdigits' contract, and the threshold of digitness. */

export const SIDE = 28; // of an image, pixels
export const CLASSES = 10;
export const THRESHOLD = 0.5; // of digitness; a picture below it is refused as not a digit
