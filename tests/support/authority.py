"""A certificate authority that lives as long as the test run; nothing outside it ever trusts it."""

from __future__ import annotations

import os
import ssl


class Authority:
    """Issues server certificates. `ca_file` is what a client has to trust (`SSL_CERT_FILE`, `verify=`, `cafile=`)."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        import trustme  # brings `cryptography`: only tests that speak TLS pay for it

        self._ca = trustme.CA()
        self.ca_file = os.path.join(os.fspath(folder), "ca.pem")
        self._ca.cert_pem.write_to_path(self.ca_file)

    def server_context(self, names: tuple[str, ...]) -> ssl.SSLContext:
        """A context with a certificate for these host names and addresses."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*names).configure_cert(context)
        return context
