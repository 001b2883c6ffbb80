"""Certificates of upstreams over https: checked, against the authorities that the user names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.http_host import certificate
from tests.upstream_http.driver import Connection
from tests.upstream_http.scripted import result, serving


@pytest.mark.parametrize(("host", "trusted"), [("127.0.0.1", True), ("127.0.0.1", False), ("localhost", True)])
def test_only_a_server_whose_certificate_is_trusted_and_its_own_is_told_anything(
        tmp_path: Path, host: str, trusted: bool) -> None:
    ours, _ = certificate(tmp_path)  # for 127.0.0.1
    good = trusted and host == "127.0.0.1"
    with serving(lambda asked, to: to.answer(200, result(asked, "told"))) as server:
        server.socket = ours.wrap_socket(server.socket, server_side=True)
        url = f"https://{host}:{server.server_address[1]}/mcp"
        with Connection(url, headers={"Authorization": "Bearer secret"},
                        environment={"SSL_CERT_FILE": str(tmp_path / "certificate.pem") if trusted else ""}) as upstream:
            upstream.send("tools/list", id=1)
            answer = upstream.answer(1)
        if good:
            assert answer["result"]["value"] == "told"
        else:
            assert "could not be reached" in answer["why"]
            assert "certificate" in answer["why"]
            assert server.asked == []
