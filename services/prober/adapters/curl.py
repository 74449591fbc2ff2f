"""Ask a web address with libcurl: all phases measured, a new connection each time, one shared CA store."""

import importlib.util
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pycurl

from services.prober.adapters.curl_faults import Certificate, Circumstances, fault_of, is_certificate_fault, own_fault
from services.prober.adapters.curl_faults import read_certificate as _read_certificate
from services.prober.adapters.curl_hop import BODY_LIMIT, Hop, Received, Times, read_times
from services.prober.adapters.curl_loop import CurlLoop
from services.prober.domain.look import Answer, Fault, Request
from shared.kit.errors import Unusable
from shared.values import format_duration

CERTIFICATE_LOOK_S: Final = 1.0
CA_CACHE_TIMEOUT: Final = 321
"""CURLOPT_CA_CACHE_TIMEOUT, which this pycurl does not name. The cache belongs to the multi handle: parsed once."""
A_DAY_S: Final = 24 * 3600
SYSTEM_CA_FILES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/ssl/cert.pem",  # BSD, macOS
)
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
USER_AGENT: Final = "hypercare-prober"


def find_ca_file(wanted: Path | None) -> str:
    """Return the CA bundle to trust: the one asked for, else the machine's, else certifi's. Raises Unusable."""
    if wanted is not None:
        if not wanted.is_file():
            raise Unusable(f"HYPERCARE_CA_FILE: {wanted} is not a file")
        return str(wanted)
    for path in SYSTEM_CA_FILES:
        if Path(path).is_file():
            return path
    if importlib.util.find_spec("certifi") is not None:
        import certifi  # only where the machine has no bundle of its own

        return certifi.where()
    raise Unusable("no CA bundle found; install ca-certificates or name one in HYPERCARE_CA_FILE")


class CurlWeb:
    """The web as seen through libcurl. Make it inside the event loop; close it last."""

    def __init__(self, ca_file: str) -> None:
        self._curl = CurlLoop()
        self._ca_file = ca_file
        self._idle: list[Any] = []

    def close(self) -> None:
        """Give back sockets and memory; nothing may be in flight."""
        self._curl.close()
        for handle in self._idle:
            handle.close()
        self._idle.clear()

    async def ask(self, request: Request) -> Answer | Fault:
        """Ask, following redirects ourselves: phases stay exact per hop, and secrets stay with their host."""
        spent = Times()
        asked = request
        for _ in range(request.max_redirects + 1):
            left_s = request.timeout_s - spent.total
            hop = await self._hop(asked, max(left_s, 0.001))
            spent = spent.plus(hop.times)
            if hop.ended.code or hop.received.is_too_large:
                return await self._fault(asked, request, hop, spent)
            if not (hop.status in REDIRECTS and hop.redirect_url and request.max_redirects):
                body, headers = bytes(hop.received.body), hop.received.headers
                return Answer(hop.status, headers, body, round(spent.total, 6), spent.phases())
            asked = _redirected(asked, hop.status, hop.redirect_url)
        limit = request.max_redirects
        reason = f"more than {limit} redirect{'s' if limit > 1 else ''}"
        return Fault("too-many-redirects", reason, round(spent.total, 6), spent.phases())

    async def _hop(self, request: Request, timeout_s: float) -> Hop:
        received = Received()
        handle = self._idle.pop() if self._idle else pycurl.Curl()
        try:
            self._set_connection(handle, request, timeout_s)
            _set_request(handle, request)
            handle.setopt(pycurl.HEADERFUNCTION, received.on_header)
            handle.setopt(pycurl.WRITEFUNCTION, received.on_body)
            ended = await self._curl.perform(handle)
            return Hop(
                ended=ended,
                received=received,
                status=handle.getinfo(pycurl.RESPONSE_CODE),
                redirect_url=handle.getinfo(pycurl.REDIRECT_URL),
                times=read_times(handle.getinfo, is_answered=bool(received.header_bytes)),
                os_errno=handle.getinfo(pycurl.OS_ERRNO),
                verify_result=handle.getinfo(pycurl.SSL_VERIFYRESULT),
            )
        finally:
            handle.reset()
            self._idle.append(handle)

    def _set_connection(self, handle: Any, request: Request, timeout_s: float) -> None:
        handle.setopt(pycurl.URL, request.url)
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.PROXY, "")  # what a proxy of this machine sees is not what users see
        handle.setopt(pycurl.TIMEOUT_MS, max(1, round(timeout_s * 1000)))
        handle.setopt(pycurl.FRESH_CONNECT, 1)
        handle.setopt(pycurl.FORBID_REUSE, 1)
        handle.setopt(pycurl.DNS_CACHE_TIMEOUT, 0)
        handle.setopt(pycurl.SSL_SESSIONID_CACHE, 0)
        handle.setopt(pycurl.CAINFO, self._ca_file)
        handle.setopt(CA_CACHE_TIMEOUT, A_DAY_S)
        if not request.verify_tls:
            handle.setopt(pycurl.SSL_VERIFYPEER, 0)
            handle.setopt(pycurl.SSL_VERIFYHOST, 0)

    async def _fault(self, asked: Request, first: Request, hop: Hop, spent: Times) -> Fault:
        took_s, phases = round(spent.total, 6), spent.phases()
        if hop.received.is_too_large or hop.ended.code == pycurl.E_FILESIZE_EXCEEDED:
            return Fault("body-too-large", f"answer is longer than {BODY_LIMIT // 1024} KiB", took_s, phases)
        if lacking := own_fault(hop.ended, hop.os_errno):
            return Fault("prober-exhausted", lacking, took_s, is_ours=True)
        certificate = None
        if is_certificate_fault(hop.ended):
            left_s = first.timeout_s - spent.total
            certificate = await self._certificate(asked, min(CERTIFICATE_LOOK_S, max(left_s, 0.001)))
        seen = Circumstances(
            url=asked.url,
            timeout_text=format_duration(timedelta(seconds=first.timeout_s)),
            os_errno=hop.os_errno,
            verify_result=hop.verify_result,
            resolved=hop.times.dns > 0,
            connected=hop.times.connect > 0,
            secured=hop.times.tls > 0 or not asked.url.startswith("https:"),
            answering=bool(hop.received.header_bytes),
        )
        code, reason = fault_of(hop.ended, seen, certificate)
        return Fault(code, reason, took_s, phases)

    async def _certificate(self, request: Request, timeout_s: float) -> Certificate | None:
        """Look at a certificate that was refused, on a second connection that says nothing: to name date and names."""
        handle = pycurl.Curl()
        try:
            self._set_connection(handle, replace(request, verify_tls=False), timeout_s)
            handle.setopt(pycurl.CONNECT_ONLY, 1)
            handle.setopt(pycurl.OPT_CERTINFO, 1)
            ended = await self._curl.perform(handle)
            chain: list[list[tuple[str, str]]] = handle.getinfo(pycurl.INFO_CERTINFO)
        finally:
            handle.close()
        return _read_certificate(chain[0]) if chain and not ended.code else None


def _set_request(handle: Any, request: Request) -> None:
    headers = {"User-Agent": USER_AGENT, **request.headers, **request.secret_headers}
    lines = [f"{name}: {value}" if value else f"{name};" for name, value in headers.items()]
    if request.method == "HEAD":
        handle.setopt(pycurl.NOBODY, 1)
    else:  # an answer that announces its length is refused before it comes
        handle.setopt(pycurl.MAXFILESIZE, BODY_LIMIT)
    if request.method in {"POST", "PUT", "PATCH"}:
        handle.setopt(pycurl.POSTFIELDS, "")
        handle.setopt(pycurl.CUSTOMREQUEST, request.method)
        if not any(name.lower() == "content-type" for name in headers):
            lines.append("Content-Type:")  # nothing is sent, so it has no type
    elif request.method not in {"GET", "HEAD"}:
        handle.setopt(pycurl.CUSTOMREQUEST, request.method)
    handle.setopt(pycurl.HTTPHEADER, lines)


def _redirected(request: Request, status: int, url: str) -> Request:
    """The request a redirect asks for: 303 always becomes GET, 301 and 302 do as browsers do with POST."""
    becomes_get = status == 303 and request.method != "HEAD"  # noqa: PLR2004  # See Other
    becomes_get = becomes_get or (status in {301, 302} and request.method == "POST")
    same = _origin(url) == _origin(request.url)
    return replace(
        request,
        url=url,
        method="GET" if becomes_get else request.method,
        secret_headers=request.secret_headers if same else {},
    )


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port
