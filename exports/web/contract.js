/** What every file that keeps flaxdigits' contract takes and gives. */

export const SIDE = 28; // of the picture, pixels
export const CLASSES = 10;
