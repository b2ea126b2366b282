"""scripts/serve.py, by which `just web` serves the page."""

import ipaddress
import socket
import subprocess
import sys
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
