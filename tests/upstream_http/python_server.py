"""A server made with the official Python SDK, over HTTP at a port of 127.0.0.1; with --login it wants a token, and
is its own authorization server, made of the SDK's parts."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import time
from typing import Any

from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken


class Provider:
    """Everybody is let in."""

    def __init__(self) -> None:
        self.clients: dict[str, OAuthClientInformationFull] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        self.refresh: dict[str, RefreshToken] = {}
        self.access: dict[str, AccessToken] = {}

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        assert client_info.client_id
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        assert client.client_id
        code = AuthorizationCode(code=secrets.token_urlsafe(24), client_id=client.client_id, scopes=params.scopes or [],
                                 expires_at=time.time() + 60, code_challenge=params.code_challenge,
                                 redirect_uri=params.redirect_uri, resource=params.resource,
                                 redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly)
        self.codes[code.code] = code
        return construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state)

    async def load_authorization_code(self, client: Any, authorization_code: str) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(self, client: Any, authorization_code: AuthorizationCode) -> OAuthToken:
        del self.codes[authorization_code.code]
        return self.give(client.client_id, authorization_code.scopes)

    async def load_refresh_token(self, client: Any, refresh_token: str) -> RefreshToken | None:
        return self.refresh.get(refresh_token)

    async def exchange_refresh_token(self, client: Any, refresh_token: RefreshToken, scopes: list[str]) -> OAuthToken:
        del self.refresh[refresh_token.token]
        return self.give(client.client_id, scopes)

    def give(self, client: str, scopes: list[str]) -> OAuthToken:
        access, refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        # Good for so short that the first use renews it.
        self.access[access] = AccessToken(token=access, client_id=client, scopes=scopes, expires_at=int(time.time()) + 45)
        self.refresh[refresh] = RefreshToken(token=refresh, client_id=client, scopes=scopes)
        return OAuthToken(access_token=access, refresh_token=refresh, expires_in=45, scope=" ".join(scopes))

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.access.get(token)

    async def revoke_token(self, token: Any) -> None:
        self.access.pop(token.token, None)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--login", action="store_true")
    parser.add_argument("--json", action="store_true", help="answers are JSON, not streams")
    options = parser.parse_args()
    settings: dict[str, Any] = {}
    if options.login:
        origin = f"http://127.0.0.1:{options.port}"
        settings = {"auth_server_provider": Provider(),
                    "auth": AuthSettings.model_validate({
                        "issuer_url": origin, "resource_server_url": origin + "/mcp", "required_scopes": ["use"],
                        "client_registration_options": ClientRegistrationOptions(
                            enabled=True, valid_scopes=["use"], default_scopes=["use"])})}
    server = MCPServer("python", **settings)

    @server.tool()
    def add(a: int, b: int) -> int:
        """Adds two numbers."""
        return a + b

    @server.tool()
    async def steps(context: Context[Any, Any], number: int) -> str:
        """Tells how far it is."""
        for step in range(number):
            await context.report_progress(step + 1, number)
        return "all"

    @server.tool()
    async def sleep(seconds: float) -> str:
        """Takes its time."""
        await asyncio.sleep(seconds)
        return "slept"

    @server.resource("test://note")
    def note() -> str:
        """A note."""
        return "noted"

    server.run("streamable-http", host="127.0.0.1", port=options.port, json_response=options.json)


main()
