"""The page in exports/web: undo and redo of strokes, of clearing and of pictures."""

import re

import numpy as np
import pytest
from page import DRAWINGS, choose, draw, inked, is_read, network_input, png, shows, shows_nothing
from playwright.sync_api import expect


def enabled(page):
    return [name for name in ("undo", "redo", "clear") if page.locator(f"#{name}").is_enabled()]


@pytest.mark.parametrize(
    ("undo", "redo"),
    [("#undo", "#redo"), ("Control+z", "Control+Shift+Z"), ("Control+z", "Control+y"), ("Meta+z", "Meta+Shift+Z")],
)
def test_undo_takes_strokes_back_one_by_one_and_redo_brings_them_again(fresh, undo, redo):
    def do(what):
        fresh.click(what) if what.startswith("#") else fresh.keyboard.press(what)

    draw(fresh, DRAWINGS[1])
    is_read(fresh, 1)
    one, percentages = network_input(fresh), fresh.locator("#bars").inner_text()
    draw(fresh, [[(0.2, 0.3), (0.8, 0.3)]])
    is_read(fresh, "[^1]")
    two = network_input(fresh)
    do(undo)
    is_read(fresh, 1)
    assert np.array_equal(network_input(fresh), one)
    assert fresh.locator("#bars").inner_text() == percentages
    do(undo)
    assert shows_nothing(fresh)
    do(redo)
    is_read(fresh, 1)
    do(redo)
    is_read(fresh, "[^1]")
    assert np.array_equal(network_input(fresh), two)


def test_undo_after_clear_brings_the_drawing_back(fresh):
    draw(fresh, DRAWINGS[4])
    is_read(fresh, 4)
    for clear in (lambda: fresh.click("#clear"), lambda: fresh.keyboard.press("Escape")):
        clear()
        assert shows_nothing(fresh)
        fresh.click("#undo")
        is_read(fresh, 4)
        assert inked(fresh, 0.6, 0.7)


def test_undo_after_clear_brings_the_picture_back(fresh, few):
    choose(fresh, "seven.png", png(255 - few.images[0]))
    is_read(fresh, 7)
    fresh.click("#clear")
    shows(fresh, "#message", "")
    fresh.click("#undo")
    shows(fresh, "#message", "seven.png")
    is_read(fresh, 7)


def test_undo_brings_a_picture_back_that_was_drawn_over_and_then_what_was_before_it(fresh, few):
    draw(fresh, DRAWINGS[1])
    is_read(fresh, 1)
    choose(fresh, "seven.png", png(255 - few.images[0]))
    is_read(fresh, 7)
    picture = network_input(fresh)
    draw(fresh, DRAWINGS[0])
    is_read(fresh, 0)
    fresh.click("#undo")
    is_read(fresh, 7)
    assert np.array_equal(network_input(fresh), picture)
    assert inked(fresh, 0.01, 0.01)  # the paper of the picture is painted again
    fresh.click("#undo")
    is_read(fresh, 1)
    fresh.click("#redo")
    is_read(fresh, 7)


def test_a_file_that_is_no_picture_leaves_the_drawing_alone(fresh):
    draw(fresh, DRAWINGS[3])
    is_read(fresh, 3)
    choose(fresh, "notes.txt", b"no picture", "text/plain")
    shows(fresh, "#message", "notes.txt: not a picture that can be read")
    shows(fresh, "#digit", "3")
    draw(fresh, [[(0.1, 0.9), (0.1, 0.95)]])
    shows(fresh, "#message", "")


def test_buttons_that_would_do_nothing_are_disabled(fresh):
    assert enabled(fresh) == []
    draw(fresh, DRAWINGS[1])
    is_read(fresh, 1)
    assert enabled(fresh) == ["undo", "clear"]
    fresh.click("#clear")
    expect(fresh.locator("#clear")).to_be_disabled()
    assert enabled(fresh) == ["undo"]
    fresh.click("#undo")
    fresh.click("#undo")
    expect(fresh.locator("#undo")).to_be_disabled()
    assert enabled(fresh) == ["redo"]
    fresh.keyboard.press("Control+z")  # does no harm
    fresh.keyboard.press("Delete")
    fresh.click("#redo")
    is_read(fresh, 1)


def test_a_new_stroke_ends_what_could_be_redone(fresh):
    draw(fresh, DRAWINGS[1])
    is_read(fresh, 1)
    fresh.click("#undo")
    draw(fresh, DRAWINGS[7])
    is_read(fresh, 7)
    expect(fresh.locator("#redo")).to_be_disabled()


def test_undo_while_drawing_takes_the_unfinished_stroke_alone(fresh):
    draw(fresh, DRAWINGS[1])
    is_read(fresh, 1)
    draw(fresh, [[(0.2, 0.3), (0.8, 0.3)]], finish=False)
    shows(fresh, "#digit", re.compile("[^1]"))
    fresh.keyboard.press("Control+z")
    shows(fresh, "#digit", "1")
    fresh.mouse.move(300, 400)
    fresh.mouse.up()
    is_read(fresh, 1)
    assert not inked(fresh, 0.7, 0.3)


def test_the_oldest_of_many_states_are_forgotten(fresh):
    script = """async () => {
        const { History } = await import('./ui/history.js');
        const history = new History(0);
        for (let state = 1; state <= 1000; state++) history.add(state);
        let undone = 0;
        for (; history.canUndo; undone++) history.undo();
        return [undone, history.state];
    }"""
    assert fresh.evaluate(script) == [99, 901]


def test_nothing_was_complained_of(fresh, log):
    # The last test of this file, so that it speaks of all of them.
    assert log["complaints"] == []
