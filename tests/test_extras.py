import shlex
import sys

import pytest

from flaxdigits.extras import install_command, requirement

COMMIT = "f" * 40


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({}, ["flaxdigits[train]"]),
        ({"url": "file:///a%20b/clone", "dir_info": {}}, ["/a b/clone[train]"]),
        ({"url": "file:///clone", "dir_info": {"editable": True}}, ["-e", "/clone[train]"]),
        ({"url": "file:///w/flaxdigits-0.1.0-py3-none-any.whl"}, ["/w/flaxdigits-0.1.0-py3-none-any.whl[train]"]),
        ({"url": "https://host/f.whl"}, ["flaxdigits[train] @ https://host/f.whl"]),
        (
            {"url": "https://host/f.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}, "subdirectory": "sub"},
            [f"flaxdigits[train] @ git+https://host/f.git@{COMMIT}#subdirectory=sub"],
        ),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="paths with a slash")
def test_an_extra_comes_from_where_flaxdigits_came_from(source, expected):
    assert requirement("train", source) == expected


def test_the_command_is_for_this_interpreter():
    words = shlex.split(install_command("cuda"))
    assert sys.executable in words
    assert words[-1].endswith("[cuda]")
