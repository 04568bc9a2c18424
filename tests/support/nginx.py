"""nginx with the configuration on the page about deployment, in front of a server of a test."""

from __future__ import annotations

import getpass
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from support.api_server import Address
from support.deploy_page import file_on_page

_MAIN = """\
daemon off;
user {user};  # otherwise a worker of root has no access to the folder of a test
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/oms.conf;
}}
"""
_CERTIFICATE = "/etc/letsencrypt/live/books.example.com"


class Nginx(NamedTuple):
    """The ports of a running nginx, the folder with its files, and a context that trusts its certificate."""

    http: int
    https: int
    folder: Path
    trust: ssl.SSLContext

    @property
    def url(self) -> str:
        """The address of the service behind nginx."""
        return f"https://localhost:{self.https}/oms"


@contextmanager
def nginx_before(server: Address, folder: Path, more: Mapping[str, str] | None = None) -> Generator[Nginx]:
    """Run nginx in front of a server. Skip the test if nginx or openssl is not installed.

    `more` contains further replacements in the configuration.
    """
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None or shutil.which("openssl") is None:
        pytest.skip("nginx or openssl is not installed")
    _make_certificate(folder)
    http, https = _free_ports()
    replacements = {
        "listen 80;": f"listen 127.0.0.1:{http};",
        "listen 443 ssl;": f"listen 127.0.0.1:{https} ssl;",
        _CERTIFICATE: str(folder),
        "server 127.0.0.1:8080;": f"server {server.host}:{server.port};",
        **(more or {}),
    }
    (folder / "oms.conf").write_text(file_on_page("/etc/nginx/conf.d/oms.conf", replacements))
    (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, user=getpass.getuser()))
    command = [program, "-p", str(folder), "-e", f"{folder}/error.log", "-c", str(folder / "nginx.conf")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    warnings = [line for line in checked.stderr.splitlines() if "[warn]" in line and '"user"' not in line]
    assert warnings == []
    with subprocess.Popen(command) as process:
        try:
            _wait_for(https)
            yield Nginx(http, https, folder, ssl.create_default_context(cafile=folder / "fullchain.pem"))
        finally:
            process.terminate()


def _make_certificate(folder: Path) -> None:
    names = "subjectAltName=DNS:localhost,DNS:books.example.com,IP:127.0.0.1"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext", names),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")),
        ],
        check=True,
        capture_output=True,
    )


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        return first.getsockname()[1], second.getsockname()[1]


def _wait_for(port: int) -> None:
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("nginx does not listen")
