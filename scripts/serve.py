"""Serves the built page, for `just web`. Needs nothing but Python.

python3 scripts/serve.py HOST PORT, or with --check PORT: only says whether another program is using the port.
"""

import functools
import http
import http.server
import socket
import sys
from pathlib import Path
from typing import Any

POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
WORKER = "/segmentation-worker.js"  # OpenCV makes functions from text in it; a worker has its own response's policy
WORKER_POLICY = "default-src 'none'; script-src 'self' 'unsafe-eval' 'wasm-unsafe-eval'; connect-src 'self' data:"
HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
DIST = Path(__file__).parents[1] / "exports" / "web" / "dist"
LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"
NOBODY = "192.0.2.1"  # RFC 5737: an address for documentation; it is routed like any other


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the files of a folder: no listings, nothing outside it, and a policy with each response."""

    def log_message(self, *arguments: object) -> None:
        """Logs nothing."""

    def send_head(self) -> Any:
        """Answers with a file of the folder, or that there is none."""
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            path /= "index.html"
        # A symbolic link may lead out of the folder.
        if not path.is_file() or not path.resolve().is_relative_to(Path(self.directory).resolve()):
            self.send_error(http.HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def end_headers(self) -> None:
        """Adds the policy."""
        is_worker = getattr(self, "path", "").partition("?")[0] == WORKER
        policy = WORKER_POLICY if is_worker else POLICY
        for name, value in {"Content-Security-Policy": policy, **HEADERS}.items():
            self.send_header(name, value)
        super().end_headers()


def check(port: int) -> None:
    """Exits with one line if a program on this machine listens on the port."""
    with socket.socket() as client:
        taken = not client.connect_ex((LOOPBACK, port))
    if taken:
        sys.exit(f"port {port} is in use by another program; choose a free one, such as: just port={port + 1} web")


def own_address() -> str:
    """This machine's address in the local network; a connected UDP socket knows it, and sends nothing."""
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.connect((NOBODY, 9))
        return str(client.getsockname()[0])


def announce(host: str, port: int) -> None:
    """Says where the page is, and who can open it."""
    if host == LOOPBACK:
        print(f"serving the page on http://{LOOPBACK}:{port}; Ctrl-C ends it", flush=True)
        return
    try:
        address = own_address() if host == EVERYWHERE else host
    except OSError:
        address = "ADDRESS"  # not in a network
    print(f"serving the page on http://{address}:{port}; Ctrl-C ends it")
    print("everybody on this network can open it; they see the page and the model, not what you draw", flush=True)


def serve(host: str, port: int) -> None:
    """Serves until Ctrl-C."""
    handler = functools.partial(Handler, directory=DIST)
    try:
        server = http.server.ThreadingHTTPServer((host, port), handler)
    except OSError as error:
        sys.exit(f"{host}:{port} can't be served on: {error.strerror}")
    with server:
        announce(host, port)
        server.serve_forever()


def main() -> None:
    first, port = sys.argv[1:]
    if first == "--check":
        check(int(port))
    else:
        serve(first, int(port))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
