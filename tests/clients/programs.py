"""Clients that are no Python, or Python's with a network of their own in C: each as a command that fetches a URL."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

#: What each client fetches this many bytes of. What prints the whole answer, its head included, prints more.
SIZE = 1234


class Client(NamedTuple):
    """One client. `{url}`, `{host}`, `{port}` and `{python}` in its words are filled in.

    wants: what must be installed for it: a program, or a distribution for the Python that runs it.
    layers: who sees its connection. Only those of Python's own sockets are announced by the witness.
    library: what made it, as a rule may name it: a glob; "" where the witness announced it.
    """

    wants: str
    words: tuple[str, ...]
    layers: tuple[str, ...] = ("kernel",)
    library: str = ""

    def command(self, port: int, python: str = sys.executable) -> list[str]:
        """Its command for a server on loopback."""
        url = f"http://127.0.0.1:{port}/bytes/{SIZE}"
        filled = {"{url}": url, "{host}": "127.0.0.1", "{port}": str(port), "{python}": python}
        return [filled.get(word, word) for word in self.words]


NODE = """
fetch(process.argv[1]).then(r => r.text()).then(t => console.log(t.length))
  .catch(e => { console.log(e.cause ? e.cause.code : e); process.exit(3) })
"""

JAVA = """
import java.net.*;
class Get {
    public static void main(String[] words) throws Exception {
        System.out.println(URI.create(words[0]).toURL().openStream().readAllBytes().length);
    }
}
"""

PERL = r"""
use IO::Socket::INET;
my $s = IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => $ARGV[1]) or die "$!\n";
print $s "GET /bytes/1234 HTTP/1.0\r\n\r\n";
local $/; print length(<$s>), "\n";
"""

BASH = r'exec 3<>/dev/tcp/$0/$1 || exit; printf "GET /bytes/1234 HTTP/1.0\r\n\r\n" >&3; cat <&3'

#: name -> program. `java` runs a source file, which a test writes.
PROGRAMS = {
    "curl": Client("curl", ("curl", "-sS", "{url}"), library="libcurl.so.*"),
    "wget": Client("wget", ("wget", "--tries=1", "-q", "-O-", "{url}"), library="wget"),
    "node": Client("node", ("node", "-e", NODE, "{url}"), library="*node*"),
    "java": Client("java", ("java", "Get.java", "{url}"), library="libnio.so"),
    "perl": Client("perl", ("perl", "-e", PERL, "{host}", "{port}"), library="*perl*"),
    "bash": Client("bash", ("bash", "-c", BASH, "{host}", "{port}"), library="bash"),
}

PYCURL = """
import io, pycurl, sys
room, curl = io.BytesIO(), pycurl.Curl()
curl.setopt(curl.URL, sys.argv[1]); curl.setopt(curl.WRITEDATA, room)
curl.perform()
print(len(room.getvalue()))
"""

UVLOOP = """
import asyncio, sys, uvloop
async def get():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    writer.write(b"GET /bytes/1234 HTTP/1.0\\r\\n\\r\\n")
    print(len(await reader.read()))
uvloop.run(get())
"""

GEVENT = """
from gevent import monkey; monkey.patch_all()
import gevent, http.client, sys
def get():
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    connection.request("GET", "/bytes/1234")
    print(len(connection.getresponse().read()))
gevent.spawn(get).get()
"""

#: These speak protocols of their own: that the server has heard them is enough.
PSYCOPG = """
import psycopg2, sys
psycopg2.connect(host="127.0.0.1", port=int(sys.argv[1]), dbname="any", user="any", connect_timeout=2)
"""
GRPC = """
import grpc, sys
grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}").unary_unary("/any/thing")(b"", timeout=2)
"""


def library(distribution: str, code: str, word: str, made: str, layers: Sequence[str] = ("kernel",)) -> Client:
    return Client(distribution, ("{python}", "-c", code, word), tuple(layers), made)


LIBRARIES = {
    "pycurl": library("pycurl", PYCURL, "{url}", "*curl*"),
    "uvloop": library("uvloop", UVLOOP, "{port}", "*/uvloop/*"),
    "gevent": library("gevent", GEVENT, "{port}", "", ("hook", "kernel")),
    "psycopg2": library("psycopg2-binary", PSYCOPG, "{port}", "libpq*"),
    "grpc": library("grpcio", GRPC, "{port}", "*grpc*"),
}

#: Fetch nothing from a web server.
TALKERS = ("psycopg2", "grpc")
