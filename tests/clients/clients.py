"""The clients that programs use, each as a function of a URL; run by name in a guest: `clients.py NAME URL`.

Prints, as JSON, what came of it: the body's size, or the classes of the error and of all that it came from; what a
denial says goes to stderr.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from urllib.parse import urlsplit


def urllib_request(url: str) -> bytes:
    import urllib.request

    with urllib.request.urlopen(url, timeout=5) as answer:
        return bytes(answer.read())


def http_client(url: str) -> bytes:
    import http.client

    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=5)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().read()
    finally:
        connection.close()


def requests_get(url: str) -> bytes:
    import requests

    return requests.get(url, timeout=5).content


def urllib3_request(url: str) -> bytes:
    import urllib3

    return urllib3.PoolManager().request("GET", url, timeout=5).data


def httpx_get(url: str) -> bytes:
    import httpx

    return httpx.get(url, timeout=None).content  # a denial must end it without a time-out


def httpx_async(url: str) -> bytes:
    import httpx

    async def get() -> bytes:
        async with httpx.AsyncClient(timeout=None) as client:
            return (await client.get(url)).content

    return asyncio.run(get())


def httpx_trio(url: str) -> bytes:
    import httpx
    import trio

    async def get() -> bytes:
        async with httpx.AsyncClient(timeout=None) as client:
            return (await client.get(url)).content

    found: bytes = trio.run(get)
    return found


def aiohttp_get(url: str) -> bytes:
    import aiohttp

    async def get() -> bytes:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return await answer.read()

    return asyncio.run(get())


def _request(url: str) -> tuple[str, int, bytes]:
    parts = urlsplit(url)
    text = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    return str(parts.hostname), parts.port or 80, text.encode()


def asyncio_streams(url: str) -> bytes:
    async def get() -> bytes:
        host, port, request = _request(url)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer.partition(b"\r\n\r\n")[2]

    return asyncio.run(get())


def trio_stream(url: str) -> bytes:
    import trio

    async def get() -> bytes:
        host, port, request = _request(url)
        stream = await trio.open_tcp_stream(host, port)
        async with stream:
            await stream.send_all(request)
            return b"".join([part async for part in stream]).partition(b"\r\n\r\n")[2]

    found: bytes = trio.run(get)
    return found


def _anyio(url: str, backend: str) -> bytes:
    import anyio

    async def get() -> bytes:
        host, port, request = _request(url)
        async with await anyio.connect_tcp(host, port) as stream:
            await stream.send(request)
            return b"".join([part async for part in stream]).partition(b"\r\n\r\n")[2]

    return anyio.run(get, backend=backend)


def anyio_asyncio(url: str) -> bytes:
    return _anyio(url, "asyncio")


def anyio_trio(url: str) -> bytes:
    return _anyio(url, "trio")


def xmlrpc(url: str) -> bytes:
    import xmlrpc.client

    try:
        xmlrpc.client.ServerProxy(url).anything()
    except Exception as error:
        if type(error).__module__ != "xml.parsers.expat":
            raise
        return b"answered, with no XML"
    return b""


CLIENTS: dict[str, Callable[[str], bytes]] = {
    function.__name__: function
    for function in (
        urllib_request, http_client, requests_get, urllib3_request, httpx_get, httpx_async, httpx_trio, aiohttp_get,
        asyncio_streams, trio_stream, anyio_asyncio, anyio_trio, xmlrpc,
    )
}  # fmt: skip


def chain(error: BaseException | None, seen: set[int]) -> list[str]:
    """The classes of an error and of all that led to it."""
    if error is None or id(error) in seen:
        return []
    seen.add(id(error))
    found = [f"{type(error).__module__}.{type(error).__qualname__}"]
    if found == ["netguard.Denied"]:
        print(error, file=sys.stderr)
    below = [error.__cause__, error.__context__, getattr(error, "reason", None), *error.args]
    for other in (*below, *getattr(error, "exceptions", ())):
        if isinstance(other, BaseException):
            found += chain(other, seen)
    return found


if __name__ == "__main__":
    try:
        outcome: object = len(CLIENTS[sys.argv[1]](sys.argv[2]))
    except Exception as failure:  # noqa: BLE001  # whatever it is, the test wants to see it
        outcome = chain(failure, set())
    print(json.dumps(outcome))
