/**
 * Finds a sheet of paper on a darker desk, and paints over the desk. Uses OpenCV.
 *
 * The same as flaxdigits/pictures/sheet.py, function by function; the reasons are given there. `cv` is OpenCV's module.
 */

import { edgeOf, median, roundToEven, sum } from './fields.js';
import { resized, toField, toMatrix, withMatrices } from './matrices.js';
import { eroded } from './morphology.js';
import { smallerCopy } from './strokes.js';

/** @typedef {import('./fields.js').Field} Field */

const SMALL_SIDE = 240; // longest side of the copy on which the sheet is searched for, pixels
const [LEAST_AREA, MOST_AREA] = [0.03, 0.9]; // of a sheet, as shares of the picture
const FREE = 0.02; // share of the picture's border on the sheet, up to which the desk is all around it
const MOST_BORDER = 0.35; // maximum share of the picture's border on the sheet; light beside a shadow covers more of it
const DARKER = 0.67; // maximum shade of the desk, as a share of the sheet's; shadows are seldom so deep
const SOLID = 0.9; // minimum share of its convex hull that a sheet fills: it has four straight sides
const CORNERS = 6; // maximum number of corners of its outline, simplified with this tolerance:
const STRAIGHTENED = 0.03; // of the outline's length
const MARGIN = 0.015; // width of the sheet's edge that is painted over, as a share of the picture's longest side

/**
 * Returns a picture with everything around a sheet painted in the sheet's shade, and the picture itself.
 *
 * Only the first if there is desk all around the sheet; only the second without a sheet. A lighter area at the
 * border may be a sheet, or light beside a deep shadow: then both.
 * @param {Field} grey float32, 0 black .. 255 white
 * @returns {Field[]}
 */
export function findSheets(cv, grey) {
  const small = smallerCopy(cv, grey, SMALL_SIDE);
  const mask = findSheet(cv, small);
  if (!mask) return [grey];
  const edge = 2 * Math.max(1, roundToEven(MARGIN * Math.max(small.width, small.height))) + 1;
  const inner = eroded(mask, [edge, edge]); // not at the border of the picture, which is not an edge of the sheet
  if (!inner.data.some(Boolean)) return [grey];
  const shade = median(small.data.filter((_, i) => inner.data[i]));
  const keep = resized(cv, inner, grey, cv.INTER_NEAREST).data;
  const sheet = { ...grey, data: grey.data.map((value, i) => (keep[i] ? value : shade)) };
  return onBorder(mask) <= FREE ? [sheet] : [sheet, grey];
}

/**
 * Returns which pixels are a lighter sheet, bytes 0 or 1, or null without one.
 * @param {Field} small bytes
 * @returns {Field | null}
 */
function findSheet(cv, small) {
  return withMatrices((keep) => {
    const outlines = outlinesOf(cv, small, keep);
    if (!outlines.length) return null;
    const areas = outlines.map((outline) => cv.contourArea(outline));
    const area = Math.max(...areas);
    const hull = keep(new cv.Mat());
    cv.convexHull(outlines[areas.indexOf(area)], hull);
    const mask = filled(cv, hull, small, keep);
    const isSheet = hasPlace(small, mask) && area >= SOLID * cv.contourArea(hull) && hasFewCorners(cv, hull, keep);
    return isSheet ? mask : null;
  });
}

/** Returns the outlines of light areas, as matrices of points. */
function outlinesOf(cv, small, keep) {
  const [light, hierarchy, outlines] = [keep(new cv.Mat()), keep(new cv.Mat()), keep(new cv.MatVector())];
  cv.threshold(keep(toMatrix(cv, small)), light, 0, 1, cv.THRESH_BINARY | cv.THRESH_OTSU);
  cv.findContours(light, outlines, hierarchy, cv.RETR_EXTERNAL, cv.CHAIN_APPROX_NONE);
  return Array.from({ length: outlines.size() }, (_, i) => keep(outlines.get(i)));
}

/** Returns a mask of an outline's inside, bytes 0 or 1. */
function filled(cv, outline, { width, height }, keep) {
  const [mask, outlines] = [keep(cv.Mat.zeros(height, width, cv.CV_8UC1)), keep(new cv.MatVector())];
  outlines.push_back(outline);
  cv.fillPoly(mask, outlines, new cv.Scalar(1, 1, 1, 1));
  return toField(cv, mask);
}

/** Returns whether an outline is as large, as far from the border and as light as sheets are. */
function hasPlace(small, mask) {
  const share = sum(mask.data) / mask.data.length;
  if (share < LEAST_AREA || share > MOST_AREA || onBorder(mask) > MOST_BORDER) return false;
  const [desk, sheet] = [0, 1].map((part) => median(small.data.filter((_, i) => mask.data[i] === part)));
  return desk <= DARKER * sheet;
}

function hasFewCorners(cv, hull, keep) {
  const straight = keep(new cv.Mat());
  cv.approxPolyDP(hull, straight, STRAIGHTENED * cv.arcLength(hull, true), true);
  return straight.rows <= CORNERS;
}

/** Returns the share of the picture's border that is inside a mask. */
function onBorder(mask) {
  const edge = edgeOf(mask);
  return sum(edge) / edge.length;
}
