import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from threading import Thread

import numpy as np
import pytest

from flaxdigits.data.digits import Digits
from flaxdigits.errors import DataError, SubmissionError
from flaxdigits.submission import check_submission, check_test_set, read_and_predict, write_submission

needs_kaggle = pytest.mark.skipif(find_spec("kaggle") is None, reason="the kaggle package is not installed")


def test_the_file_has_kaggles_format(tmp_path):
    path = tmp_path / "submission.csv"
    write_submission(np.array([2, 0, 9]), path)
    assert path.read_bytes() == b"ImageId,Label\n1,2\n2,0\n3,9\n"


def test_a_complete_submission_has_28000_ids_in_order(tmp_path):
    path = tmp_path / "submission.csv"
    write_submission(np.arange(28_000) % 10, path)
    ids, labels = np.loadtxt(path, int, delimiter=",", skiprows=1, unpack=True)
    assert np.array_equal(ids, np.arange(1, 28_001))
    assert np.array_equal(labels, np.arange(28_000) % 10)
    check_submission(path, 28_000)


@pytest.mark.parametrize("wrong", [10, -1])
def test_a_digit_out_of_range_leaves_the_old_file_and_no_other(tmp_path, wrong):
    path = tmp_path / "submission.csv"
    path.write_text("old")
    with pytest.raises(SubmissionError, match=f"^{path}, line 3: .*2,{wrong}$"):
        write_submission(np.array([3, wrong]), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("Id,Label\n1,7\n2,7\n", 1),
        ("ImageId,Label\n1,7\n3,7\n", 3),
        ("ImageId,Label\n0,7\n1,10\n", 2),
        ("ImageId,Label\n1,10\n2,7\n", 2),
        ("ImageId,Label\n1,7\n2,\n", 3),
        ("ImageId,Label\n1,7\n2,7,\n", 3),
        ("ImageId,Label\n1,7\n2,٣\n", 3),
    ],
)
def test_the_first_invalid_line_is_named(tmp_path, text, line):
    path = tmp_path / "submission.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SubmissionError, match=f"^{path}, line {line}: "):
        check_submission(path, 2)


@pytest.mark.parametrize("rows", [1, 3])
def test_another_number_of_rows_is_a_submission_error(tmp_path, rows):
    path = tmp_path / "submission.csv"
    write_submission(np.full(rows, 7), path)
    with pytest.raises(SubmissionError, match=f"^{path}: expected 2 .*, got {rows}$"):
        check_submission(path, 2)


def test_a_test_set_has_no_labels_and_28000_digits_for_the_competition(few):
    unlabelled = Digits(few.images, name="test.csv")
    check_test_set(unlabelled, competition=False)
    with pytest.raises(SubmissionError, match="^test.csv: .*28,000.*20"):
        check_test_set(unlabelled, competition=True)
    with pytest.raises(SubmissionError, match="^mnist-test: has labels"):
        check_test_set(few, competition=False)


class Kaggle:
    """A local stand-in for Kaggle's API: gives the configured replies to the three calls, and records them."""

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
def upload(tmp_path):
    """Uploads with the real kaggle package, in a subprocess, since it reads its settings on import."""
    path = tmp_path / "submission.csv"
    write_submission(np.array([7, 2]), path)

    def run(port=9, **variables):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("KAGGLE") and not k.lower().endswith("_proxy")}
        # LOCALHOST makes the package call http://localhost, which the proxy redirects to the stand-in.
        proxy = {"KAGGLE_API_ENVIRONMENT": "LOCALHOST", "http_proxy": f"http://127.0.0.1:{port}"}
        home = {"HOME": str(tmp_path), "KAGGLE_CONFIG_DIR": str(tmp_path)}
        command = [sys.executable, "-c", UPLOAD, str(path)]
        done = subprocess.run(command, env=kept | proxy | home | variables, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.replace(str(tmp_path), "TMP")

    return run


KEY = {"KAGGLE_USERNAME": "user", "KAGGLE_KEY": "0123456789abcdef"}


@needs_kaggle
def test_an_accepted_submission_gives_kaggles_message_and_prints_nothing_else(upload):
    with Kaggle() as kaggle:
        assert upload(kaggle.port, **KEY) == "accepted: Successfully submitted\n"
    (start, asked), put, (create, sent) = kaggle.calls
    assert (start, create) == ("StartSubmissionUpload", "CreateSubmission")
    assert (asked["competitionName"], asked["fileName"]) == ("digit-recognizer", "submission.csv")
    assert put == ("PUT", "ImageId,Label\n1,7\n2,2\n")
    assert (sent["competitionName"], sent["blobFileTokens"]) == ("digit-recognizer", "a-token")
    assert sent["submissionDescription"] == "from a test"


@needs_kaggle
@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        pytest.param({"start": 403}, "You must accept the rules of this competition", id="403 at the start"),
        pytest.param({"create": (400, {})}, "You must accept the rules of this competition", id="400 at the end"),
        pytest.param({"put": 403}, "Could not submit to competition", id="403 from the storage"),
    ],
)
def test_a_rejected_submission_is_a_submission_error_with_kaggles_reason(upload, replies, reason):
    with Kaggle(**replies) as kaggle:
        found = upload(kaggle.port, **KEY)
    assert found == f"SubmissionError: TMP/submission.csv: not submitted: {reason}\n"


@needs_kaggle
def test_missing_credentials_are_a_submission_error_that_links_their_documentation(upload):
    missing = "no Kaggle credentials found; see https://www.kaggle.com/docs/api#authentication"
    assert upload() == f"SubmissionError: TMP/submission.csv: not submitted: {missing}\n"


@needs_kaggle
def test_a_kaggle_package_that_cannot_be_imported_is_an_error_of_one_line(upload, tmp_path):
    (tmp_path / "kaggle").mkdir()
    (tmp_path / "kaggle" / "__init__.py").write_text("import a_package_that_it_forgot_to_ask_for")
    found = upload(PYTHONPATH=str(tmp_path))
    assert found.count("\n") == 1
    assert "Error: " in found
    assert "a_package_that_it_forgot_to_ask_for" in found


def test_blocks_are_predicted_in_their_order(few):
    blocks = [Digits(few.images[start : start + 2], name="test.csv") for start in range(0, len(few), 2)]
    first = few.images[0].tobytes()

    def predict(images):
        if images[0].tobytes() == first:
            time.sleep(0.2)  # so the first block is ready last
        return images.sum(axis=(1, 2), dtype=np.int64)

    digits, predicted = read_and_predict(predict, blocks)
    assert np.array_equal(digits.images, few.images)
    assert np.array_equal(predicted, few.images.sum(axis=(1, 2), dtype=np.int64))


def test_a_large_block_is_predicted_in_pieces(mnist_test):
    sizes = []
    digits = Digits(mnist_test.images[:1234])
    _, predicted = read_and_predict(lambda images: sizes.append(len(images)) or images[:, 14, 14], [digits])
    assert len(sizes) == 3
    assert np.array_equal(predicted, digits.images[:, 14, 14])


def test_an_error_in_a_later_block_ends_the_predictions_that_wait(few):
    predicted = []

    def blocks():
        for _ in range(1000):
            yield Digits(few.images)
        raise DataError("row 5001")

    def predict(images):
        time.sleep(0.01)
        predicted.append(images)

    with pytest.raises(DataError, match="row 5001"):
        read_and_predict(predict, blocks())
    assert len(predicted) < 900


def test_labels_are_refused_at_the_first_block(few):
    with pytest.raises(SubmissionError, match="has labels"):
        read_and_predict(lambda images: pytest.fail("predicted"), [few])
