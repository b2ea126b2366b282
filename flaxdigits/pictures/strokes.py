"""Finds the strokes on a page: ink without paper, shadows, ruled lines and specks. Uses OpenCV, the extra `pages`."""

from typing import NamedTuple

import cv2
import numpy as np

WORKING_SIDE = 1600  # longest side to which a larger page is scaled, pixels
PAPER_SIDE = 300  # longest side of the copy on which the paper's shade is estimated
GROUND_WINDOWS = (0.1, 0.5)  # sides of the windows with more paper than ink, as shares of the longest side
PAPER_WINDOW = 0.15  # side of the window around a pixel in which there is paper, as a share of the longest side
LOCAL_INK = 0.4  # share of the strongest ink nearby; fainter pixels are paper
INKED = 0.0005  # share of the pixels that are the page's strongest ink
PAGE_INK = 0.25  # share of the page's strongest ink; pencil beside a marker has about 0.3
INK_WINDOW = 0.2  # side of the window of that strongest ink, as a share of the longest side
FAINTEST = 0.1  # least contrast of ink, as a share of the paper's shade
NOISE_MARGIN = 5.0  # least contrast of ink, in standard deviations of the paper's noise
STRONGEST = 0.002  # share of the pixels, those that differ most from the paper, that decide whether the ink is light
DARKEST = 8.0  # of 255; a darker paper's shade counts as this
RULE_LENGTH = 0.15  # least length of a ruled line, as a share of the page's width or height
RULE_RATIO = 15  # least length of a ruled line, in widths of the widest; a 1 may be as straight, but is shorter
RULE_WIDTH = 9  # of the widest ruled line, pixels
RULE_GAP = 9  # pixels of a ruled line that noise may break; the gaps between digits are wider
RULE_SMOOTHING = 41  # pixels along a ruled line over which its contrast is averaged
FAINTEST_RULE = 0.03  # least contrast of a ruled line
DARKER = 1.4  # contrast of ink on a ruled line, as a multiple of the line's


class Strokes(NamedTuple):
    """The strokes on a page.

    Attributes:
        ink: contrast to the paper where there is a stroke, 0 elsewhere, float32 [height, width] in 0..1.
        labels: int32 [height, width], 0 = paper, the number of the connected component elsewhere.
        boxes: int32 [components, 4], left, top, right, bottom of each component; the first is component 1's.
        areas: int32 [components], pixels.
        widths: of the widest stroke of each component, float32 [components], pixels.
    """

    ink: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    widths: np.ndarray


def find_strokes(grey: np.ndarray, light_ink: bool = False) -> Strokes:
    """Returns the strokes on a page; a large page is scaled down.

    Args:
        grey: float or uint8 [height, width], 0 black .. 255 white.
        light_ink: whether the ink is lighter than the paper.
    """
    grey = 255 - grey if light_ink else grey
    scale = max(1.0, max(grey.shape) / WORKING_SIDE)
    size = max(1, round(grey.shape[1] / scale)), max(1, round(grey.shape[0] / scale))
    contrast = find_contrast(np.asarray(cv2.resize(grey.astype(np.float32), size, interpolation=cv2.INTER_AREA)))
    mask = find_mask(contrast)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    left, top, width, height, areas = stats[1:].T
    boxes = np.stack([left, top, left + width, top + height], axis=1)
    return Strokes(np.where(mask, contrast, 0), labels, boxes, areas, widths_of(mask, labels, len(areas)))


def widths_of(mask: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """Returns the width of each component's widest stroke, pixels, float32 [count]."""
    radius = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    rows, columns = np.nonzero(mask)
    widest = np.zeros(count + 1, np.float32)
    np.maximum.at(widest, labels[rows, columns], radius[rows, columns])
    return 2 * widest[1:]


def find_contrast(grey: np.ndarray) -> np.ndarray:
    """Returns how much darker than the paper each pixel is, as a share of the paper's shade, float32 in 0..1."""
    paper = cv2.resize(find_paper(smaller_copy(grey)), grey.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.clip((paper - grey) / np.maximum(paper, DARKEST), 0, 1)


def smaller_copy(grey: np.ndarray, side: int = PAPER_SIDE) -> np.ndarray:
    """Returns a copy of at most this many pixels along each side, uint8, without specks."""
    share = min(1.0, side / max(grey.shape))
    size = max(1, round(grey.shape[1] * share)), max(1, round(grey.shape[0] * share))
    return cv2.medianBlur(np.rint(cv2.resize(grey, size, interpolation=cv2.INTER_AREA)).astype(np.uint8), 5)


def may_be_light(grey: np.ndarray) -> list[bool]:
    """Returns whether the ink may be lighter than the paper: the likelier answer, then the other if possible too.

    It is lighter if the pixels that differ most from the median around them are lighter, not darker. A small window
    is not misled by shadows, a large one not by strokes.
    """
    small = smaller_copy(grey)
    few = int(STRONGEST * small.size)
    found = []
    for window in GROUND_WINDOWS:
        around = cv2.medianBlur(small, int(window * max(small.shape)) | 1)
        differences = np.partition((small.astype(np.float32) - around).ravel(), [few, -few - 1])
        found.append(bool(differences[-few - 1 :].sum() > -differences[: few + 1].sum()))
    return list(dict.fromkeys(found))


def find_paper(small: np.ndarray) -> np.ndarray:
    """Returns the paper's shade under dark ink, float32: a closing, which fills strokes and keeps edges of shadows."""
    window = int(PAPER_WINDOW * max(small.shape)) | 1
    shape = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (window, window))
    return cv2.GaussianBlur(cv2.morphologyEx(small, cv2.MORPH_CLOSE, shape).astype(np.float32), (0, 0), 2)


def find_mask(contrast: np.ndarray) -> np.ndarray:
    """Returns which pixels are ink, bool: those that stand out from noise and are not faint for the ink nearby.

    On ruled lines and the edges of boxes, only pixels that are darker than the line or lie between two ink pixels.
    """
    smooth = cv2.GaussianBlur(contrast, (0, 0), 0.7)
    values = smooth[::3, ::3].ravel()
    noise = 1.48 * float(np.median(np.abs(values - np.median(values))))
    few = int(INKED * smooth.size) + 1
    strongest = float(np.partition(smooth.ravel(), -few)[-few])
    least = max(FAINTEST, PAGE_INK * strongest, NOISE_MARGIN * noise)
    window = max(3, int(INK_WINDOW * max(contrast.shape))) | 1
    nearby = cv2.blur(cv2.dilate(smooth, np.ones((window, window), np.uint8)), (window, window))
    mask = (smooth > np.maximum(LOCAL_INK * nearby, least)).astype(np.uint8)
    for axis in (0, 1):
        rules, level = find_rules(contrast, noise, axis)
        off = mask & ((smooth > DARKER * level) | ~rules)
        gap = np.ones((RULE_WIDTH, 1) if axis == 0 else (1, RULE_WIDTH), np.uint8)
        mask = off | (cv2.morphologyEx(off, cv2.MORPH_CLOSE, gap) & rules & mask)
    return mask.astype(bool)


def find_rules(contrast: np.ndarray, noise: float, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns where ruled lines are, bool, and their contrast at each pixel: horizontal for axis 0, vertical for 1."""
    if axis == 1:
        rules, level = find_rules(np.ascontiguousarray(contrast.T), noise, 0)
        return rules.T, level.T
    along = cv2.blur(contrast, (RULE_GAP, 1))
    thin = along - cv2.morphologyEx(along, cv2.MORPH_OPEN, np.ones((RULE_WIDTH, 1), np.uint8))
    found = (thin > max(FAINTEST_RULE, NOISE_MARGIN * noise / RULE_GAP**0.5)).astype(np.uint8)
    found = cv2.dilate(found, np.ones((3, 1), np.uint8))
    long = np.ones((1, max(RULE_RATIO * RULE_WIDTH, int(RULE_LENGTH * contrast.shape[1]))), np.uint8)
    return cv2.morphologyEx(found, cv2.MORPH_OPEN, long).astype(bool), cv2.blur(contrast, (RULE_SMOOTHING, 1))
