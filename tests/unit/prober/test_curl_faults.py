"""What a person reads when a connection or a certificate failed: no library's words, and what to look at."""

from dataclasses import replace

import pycurl
import pytest

from services.prober.adapters.curl_faults import Certificate, Circumstances, fault_of, read_certificate
from services.prober.adapters.curl_loop import Ended

SEEN = Circumstances(
    url="https://shop.example.org/health",
    timeout_text="2s",
    os_errno=0,
    verify_result=1,
    resolved=True,
    connected=True,
    secured=False,
    answering=False,
)
OPENSSL = "TLS connect error: error:0A00010B:SSL routines::"


def certificate_fault(words: str, verify_result: int, certificate: Certificate | None) -> tuple[str, str]:
    seen = replace(SEEN, verify_result=verify_result)
    return fault_of(Ended(pycurl.E_PEER_FAILED_VERIFICATION, words), seen, certificate)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("wrong version number", "what answers there does not speak TLS"),
        ("packet length too long", "what answers there does not speak TLS"),
        ("tlsv1 alert protocol version", "no version of TLS in common"),
        ("unsupported protocol", "no version of TLS in common"),
        ("ssl/tls alert handshake failure", "ssl/tls alert handshake failure"),
    ],
)
def test_a_handshake_that_fails_is_said_without_the_librarys_numbers(words: str, said: str) -> None:
    fault = fault_of(Ended(pycurl.E_SSL_CONNECT_ERROR, OPENSSL + words), SEEN, None)
    assert fault == ("tls", f"TLS with shop.example.org:443 failed: {said}")


def test_a_certificate_that_names_nobody_is_for_another_name_and_not_mistrusted_for_it() -> None:
    words = "SSL: unable to obtain common name from peer certificate"
    assert certificate_fault(words, 1, Certificate(None, ())) == (
        "tls-name",
        "certificate is not for shop.example.org: it names no host",
    )


def test_a_certificate_with_only_a_common_name_says_for_whom_it_is() -> None:
    read = read_certificate([("Subject", "C = DE, O = Shop, CN = old.example.org"), ("Issuer", "CN=R11, O=Authority")])
    assert (read.names, read.issuer) == (("old.example.org",), "R11")
    words = "SSL: certificate subject name 'old.example.org' does not match target hostname 'shop.example.org'"
    assert certificate_fault(words, 1, read)[1] == "certificate is not for shop.example.org but for old.example.org"


def test_an_untrusted_certificate_says_what_to_look_at() -> None:
    words = "SSL certificate OpenSSL verify result: unable to get local issuer certificate (20)"
    issuer = "is unknown here, or the server leaves out an intermediate one"
    for certificate, its in ((Certificate(None, (), "R11"), "its issuer R11"), (None, "its issuer")):
        said = certificate_fault(words, 20, certificate)
        assert said == ("tls-untrusted", f"certificate is not trusted: {its} {issuer}")
    assert certificate_fault("self-signed", 18, None)[1] == "certificate is not trusted: it is self-signed"
    other = "SSL certificate OpenSSL verify result: CA certificate key too weak (67)"
    assert certificate_fault(other, 67, None)[1] == "certificate is not trusted: CA certificate key too weak"
