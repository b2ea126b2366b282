"""scripts/serve.py, by which `just web` serves the page."""

import functools
import http.client
import http.server
import ipaddress
import re
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts import serve

LOOPBACK = "127.0.0.1"
ROOT = Path(__file__).parents[2]


def free_port():
    with socket.socket() as one:
        one.bind((LOOPBACK, 0))
        return one.getsockname()[1]


def reachable(host, port):
    with socket.socket() as client:
        return not client.connect_ex((host, port))


@contextmanager
def serving(host, port):
    command = [sys.executable, "-m", "scripts.serve", host, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        try:
            assert server.stdout.readline().startswith("serving the page on http://")
            yield
        finally:
            server.terminate()


def test_by_default_others_are_not_spoken_of(capsys):
    serve.announce(LOOPBACK, 8000)
    assert capsys.readouterr().out == "serving the page on http://127.0.0.1:8000; Ctrl-C ends it\n"


def test_on_all_addresses_it_says_where_a_phone_finds_it_and_who_else_does(capsys, monkeypatch):
    monkeypatch.setattr(serve, "own_address", lambda: "192.168.7.9")
    serve.announce("0.0.0.0", 8001)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "serving the page on http://192.168.7.9:8001; Ctrl-C ends it"
    assert second.startswith("everybody on this network can open it")


def test_a_port_in_use_is_said_in_one_line():
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            SystemExit, match=rf"^port {port} is in use by another program; .*just port={port + 1} web$"
        ):
            serve.check(port)
    serve.check(port)


def test_an_address_that_is_not_this_machines_is_said_in_one_line():
    with pytest.raises(SystemExit, match=r"^203\.0\.113\.9:8000 can't be served on: "):
        serve.serve("203.0.113.9", 8000)


def test_it_serves_to_this_machine_alone_unless_asked():
    try:
        outside = serve.own_address()
    except OSError:
        pytest.skip("this machine is in no network")
    port = free_port()
    assert ipaddress.ip_address(outside)
    with serving(LOOPBACK, port):
        assert [reachable(host, port) for host in (LOOPBACK, outside)] == [True, False]
    with serving("0.0.0.0", port):
        assert [reachable(host, port) for host in (LOOPBACK, outside)] == [True, True]


@pytest.fixture
def site(tmp_path):
    """A folder that is served, as a function from a path to status, headers and content; a secret lies beside it."""
    folder = tmp_path / "dist"
    (folder / "pictures").mkdir(parents=True)
    for name in ("index.html", "segmentation-worker.js", "pictures/7.txt"):
        (folder / name).write_text(f"the {name}")
    (tmp_path / "secret").write_text("the secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "linked").symlink_to(tmp_path)
    with http.server.ThreadingHTTPServer((LOOPBACK, 0), functools.partial(serve.Handler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def get(path):
            connection = http.client.HTTPConnection(LOOPBACK, server.server_port)
            connection.request("GET", path)  # as it is: a client would resolve `..`
            answer = connection.getresponse()
            content = answer.read().decode()
            connection.close()
            return answer.status, answer.headers, content

        yield get
        server.shutdown()


def test_its_own_files_are_served(site):
    assert [site(path)[::2] for path in ("/", "/index.html?x=1", "/pictures/7.txt")] == [
        (200, "the index.html"), (200, "the index.html"), (200, "the pictures/7.txt"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["/pictures/", "/pictures", "/link", "/linked/secret", "/../secret", "/%2e%2e/secret", "/pictures/..%2f..%2fsecret",
     "//../secret", "/none", "/%00", "/\\..\\secret"],
)  # fmt: skip
def test_no_folder_is_listed_and_nothing_outside_is_served(site, path):
    status, headers, content = site(path)
    assert status == 404
    assert "secret" not in content
    assert "7.txt" not in content
    assert headers["Content-Security-Policy"] == serve.POLICY


def test_every_response_has_a_policy_and_the_workers_its_own(site):
    assert site("/")[1]["Content-Security-Policy"] == serve.POLICY
    assert "unsafe-eval" not in serve.POLICY.replace("wasm-unsafe-eval", "")
    for path in ("/segmentation-worker.js", "/segmentation-worker.js?1"):
        assert site(path)[1]["Content-Security-Policy"] == serve.WORKER_POLICY
    assert site("/")[1]["X-Content-Type-Options"] == "nosniff"


def test_the_policy_of_the_response_is_no_wider_than_that_of_the_page():
    page = re.search(r'Content-Security-Policy" content="([^"]+)"', (ROOT / "exports/web/index.html").read_text())[1]
    assert set(page.split("; ")) <= set(serve.POLICY.split("; "))
