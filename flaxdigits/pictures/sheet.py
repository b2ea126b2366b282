"""Finds a sheet of paper on a darker desk, and paints over the desk. Uses OpenCV, the extra `pages`."""

import cv2
import numpy as np

from flaxdigits.pictures.strokes import smaller_copy

SMALL_SIDE = 240  # longest side of the copy on which the sheet is searched for, pixels
LEAST_AREA, MOST_AREA = 0.03, 0.9  # of a sheet, as shares of the picture
FREE = 0.02  # share of the picture's border on the sheet, up to which the desk is all around it
MOST_BORDER = 0.35  # maximum share of the picture's border on the sheet; light beside a shadow covers more of it
DARKER = 0.67  # maximum shade of the desk, as a share of the sheet's; shadows are seldom so deep
SOLID = 0.9  # minimum share of its convex hull that a sheet fills: it has four straight sides
CORNERS = 6  # maximum number of corners of its outline, simplified with this tolerance:
STRAIGHTENED = 0.03  # of the outline's length
MARGIN = 0.015  # width of the sheet's edge that is painted over, as a share of the picture's longest side


def find_sheets(grey: np.ndarray) -> list[np.ndarray]:
    """Returns a picture with everything around a sheet painted in the sheet's shade, and the picture itself.

    Only the first if there is desk all around the sheet; only the second without a sheet. A lighter area at the
    border may be a sheet, or light beside a deep shadow: then both.

    Args:
        grey: float32 [height, width], 0 black .. 255 white.
    """
    small = smaller_copy(grey, SMALL_SIDE)
    outline = find_outline(small)
    if outline is None:
        return [grey]
    mask = cv2.fillPoly(np.zeros(small.shape, np.uint8), [outline], 1)
    edge = 2 * max(1, round(MARGIN * max(small.shape))) + 1
    inner = cv2.erode(mask, np.ones((edge, edge), np.uint8), borderValue=1)
    if not inner.any():
        return [grey]
    keep = cv2.resize(inner, grey.shape[::-1], interpolation=cv2.INTER_NEAREST).astype(bool)
    sheet = np.where(keep, grey, np.float32(np.median(small[inner > 0])))
    return [sheet] if on_border(mask) <= FREE else [sheet, grey]


def find_outline(small: np.ndarray) -> np.ndarray | None:
    """Returns the corners of a lighter sheet, int32 [corners, 1, 2], None without one; `small` is uint8."""
    _, light = cv2.threshold(small, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    outlines, _ = cv2.findContours(light, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return None
    hull = cv2.convexHull(max(outlines, key=cv2.contourArea))
    mask = cv2.fillPoly(np.zeros(small.shape, np.uint8), [hull], 1).astype(bool)
    straight = cv2.approxPolyDP(hull, STRAIGHTENED * cv2.arcLength(hull, True), True)
    is_sheet = (
        LEAST_AREA <= mask.mean() <= MOST_AREA
        and on_border(mask) <= MOST_BORDER
        and max(map(cv2.contourArea, outlines)) >= SOLID * cv2.contourArea(hull)
        and len(straight) <= CORNERS
        and float(np.median(small[~mask])) <= DARKER * float(np.median(small[mask]))
    )
    return hull if is_sheet else None


def on_border(mask: np.ndarray) -> float:
    """Returns the share of the picture's border that is inside a mask."""
    return float(np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).mean())
