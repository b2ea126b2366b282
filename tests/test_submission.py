import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from threading import Thread

import numpy as np
import pytest

from flaxdigits.errors import SubmissionError
from flaxdigits.submission import check_submission, write_submission

needs_kaggle = pytest.mark.skipif(find_spec("kaggle") is None, reason="the kaggle package is not installed")


def test_the_file_is_exactly_as_kaggle_wants_it(tmp_path):
    path = tmp_path / "submission.csv"
    write_submission(np.array([2, 0, 9]), path)
    assert path.read_bytes() == b"ImageId,Label\n1,2\n2,0\n3,9\n"


def test_a_whole_submission_has_28000_ids_in_order(tmp_path):
    path = tmp_path / "submission.csv"
    write_submission(np.arange(28_000) % 10, path)
    ids, labels = np.loadtxt(path, int, delimiter=",", skiprows=1, unpack=True)
    assert np.array_equal(ids, np.arange(1, 28_001))
    assert np.array_equal(labels, np.arange(28_000) % 10)
    check_submission(path, 28_000)


@pytest.mark.parametrize("wrong", [10, -1])
def test_an_impossible_answer_leaves_the_old_file_and_no_litter(tmp_path, wrong):
    path = tmp_path / "submission.csv"
    path.write_text("old")
    with pytest.raises(SubmissionError) as caught:
        write_submission(np.array([3, wrong]), path)
    assert str(caught.value) == f"{path}, line 3: expected 2 and a label from 0 to 9, got 2,{wrong}"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ", line 1: expected ImageId,Label, got nothing"),
        ("Id,Label\n1,7\n2,7\n", ", line 1: expected ImageId,Label, got Id,Label"),
        ("ImageId,Label\n1,7\n", ": expected 2 answers, got 1"),
        ("ImageId,Label\n1,7\n2,7\n3,7\n", ": expected 2 answers, got 3"),
        ("ImageId,Label\n1,7\n3,7\n", ", line 3: expected 2 and a label from 0 to 9, got 3,7"),
        ("ImageId,Label\n0,7\n1,10\n", ", line 2: expected 1 and a label from 0 to 9, got 0,7"),
        ("ImageId,Label\n1,10\n2,7\n", ", line 2: expected 1 and a label from 0 to 9, got 1,10"),
        ("ImageId,Label\n1,7\n2,\n", ", line 3: expected 2 and a label from 0 to 9, got 2,"),
        ("ImageId,Label\n1,7\n2,7,\n", ", line 3: expected 2 and a label from 0 to 9, got 2,7,"),
        ("ImageId,Label\n1,7\n2,٣\n", ", line 3: expected 2 and a label from 0 to 9, got 2,٣"),
    ],
)
def test_the_first_line_that_breaks_a_rule_is_named(tmp_path, text, message):
    path = tmp_path / "submission.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SubmissionError) as caught:
        check_submission(path, 2)
    assert str(caught.value) == f"{path}{message}"


class Kaggle:
    """Kaggle's side of a submission, on this machine: three calls, each answered as told, and all of them kept."""

    def __init__(self, start=200, put=200, create=(200, {"message": "Successfully submitted", "ref": 77})):
        self.calls = []
        kaggle = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                asked = json.loads(self.take())
                if self.path.endswith("/StartSubmissionUpload"):
                    url = f"http://127.0.0.1:{self.server.server_port}/storage"
                    self.answer(start, {"token": "a-token", "createUrl": url})
                else:
                    self.answer(*create)
                kaggle.calls.append((self.path.rpartition("/")[2], asked))

            def do_PUT(self):
                kaggle.calls.append(("PUT", self.take().decode()))
                self.answer(put, {})

            def take(self):
                return self.rfile.read(int(self.headers["Content-Length"]))

            def answer(self, status, body):
                if status >= 400:
                    body = {"code": status, "message": "You must accept the rules\nof this competition"}
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


UPLOAD = """
import sys
from pathlib import Path
from flaxdigits.errors import FlaxdigitsError
from flaxdigits.submission import upload
try:
    print("accepted:", upload(Path(sys.argv[1]), "from a test"))
except FlaxdigitsError as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.fixture
def hand_in(tmp_path):
    """Uploads through the real kaggle package, in a process of its own since that reads its settings at import."""
    path = tmp_path / "submission.csv"
    write_submission(np.array([7, 2]), path)

    def run(port=9, **variables):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("KAGGLE") and not k.lower().endswith("_proxy")}
        # LOCALHOST makes the package call http://localhost, and the proxy leads that here.
        proxy = {"KAGGLE_API_ENVIRONMENT": "LOCALHOST", "http_proxy": f"http://127.0.0.1:{port}"}
        home = {"HOME": str(tmp_path), "KAGGLE_CONFIG_DIR": str(tmp_path)}
        command = [sys.executable, "-c", UPLOAD, str(path)]
        done = subprocess.run(command, env=kept | proxy | home | variables, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.replace(str(tmp_path), "TMP")

    return run


KEY = {"KAGGLE_USERNAME": "somebody", "KAGGLE_KEY": "0123456789abcdef"}


@needs_kaggle
def test_an_accepted_submission_gives_kaggles_message_and_prints_nothing_else(hand_in):
    with Kaggle() as kaggle:
        assert hand_in(kaggle.port, **KEY) == "accepted: Successfully submitted\n"
    (start, asked), put, (create, sent) = kaggle.calls
    assert (start, create) == ("StartSubmissionUpload", "CreateSubmission")
    assert (asked["competitionName"], asked["fileName"]) == ("digit-recognizer", "submission.csv")
    assert put == ("PUT", "ImageId,Label\n1,7\n2,2\n")
    assert (sent["competitionName"], sent["blobFileTokens"]) == ("digit-recognizer", "a-token")
    assert sent["submissionDescription"] == "from a test"


@needs_kaggle
@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        pytest.param({"start": 403}, "You must accept the rules of this competition", id="403 at the start"),
        pytest.param({"create": (400, {})}, "You must accept the rules of this competition", id="400 at the end"),
        pytest.param({"put": 403}, "Could not submit to competition", id="403 from the storage"),
    ],
)
def test_a_rejected_submission_is_one_line_with_kaggles_reason(hand_in, answers, reason):
    with Kaggle(**answers) as kaggle:
        found = hand_in(kaggle.port, **KEY)
    assert found == f"SubmissionError: TMP/submission.csv: not submitted: {reason}\n"


@needs_kaggle
def test_without_credentials_it_says_where_they_come_from(hand_in):
    missing = "no Kaggle credentials found; see https://www.kaggle.com/docs/api#authentication"
    assert hand_in() == f"SubmissionError: TMP/submission.csv: not submitted: {missing}\n"


@needs_kaggle
def test_a_kaggle_package_that_cannot_be_imported_is_one_line(hand_in, tmp_path):
    (tmp_path / "kaggle").mkdir()
    (tmp_path / "kaggle" / "__init__.py").write_text("import a_package_that_it_forgot_to_ask_for")
    found = hand_in(PYTHONPATH=str(tmp_path))
    assert found.count("\n") == 1
    assert "Error: " in found
    assert "a_package_that_it_forgot_to_ask_for" in found
