"""What can be wrong with a web address, how nginx is made to do it, and the words in which people must read it."""

from dataclasses import dataclass
from typing import Final

from tests.component.real_targets.nginx import has_ipv6

WELL: Final = """return 200 '{"status": "ok", "stock": {"items": 7}}';"""
LOGIN: Final = "default_type text/html; return 200 '<html><title>Please log in</title></html>';"
LOGIN_BEGINS: Final = "(it begins '<html><title>Please log in</title></htm…')"
SUCCESS: Final = "expected 200 to 299"


@dataclass(frozen=True)
class Illness:
    """One check and its rule, both of this name. `{main}` and the like stand for ports."""

    name: str
    says: str
    severity: str = "critical"
    sick: str = ""
    """What stands in nginx's `location` of this name; empty where the fault is not in a page."""
    url: str = ""
    """Where it is not that location."""
    more: str = ""
    """What else the check's `http` says."""
    timeout: str = "2s"


PAGES: Final = (
    Illness("error", f"status is 500, {SUCCESS}", sick="return 500;"),
    Illness("no-upstream", f"status is 502, {SUCCESS}", sick="proxy_pass http://127.0.0.1:{nobody};"),
    Illness(
        "upstream-hangs",
        f"status is 504, {SUCCESS}",
        sick="proxy_read_timeout 300ms; proxy_pass http://127.0.0.1:{silent};",
    ),
    Illness("hangs", "no answer within 1s", sick="proxy_pass http://127.0.0.1:{silent};", timeout="1s"),
    Illness("trickles", "answer not complete within 1s", "high", sick="root {files}; limit_rate 1k;", timeout="1s"),
    Illness("hangs-up", "connection closed without an answer (127.0.0.1:{main})", sick="return 444;"),
    Illness("loop", "more than 5 redirects", sick="return 302 /loop;"),
    Illness("moved-away", f"status is 404, {SUCCESS}", sick="return 301 /nowhere;"),
    Illness("redirected", f"status is 302, {SUCCESS}", "medium", sick="return 302 /;", more="follow_redirects: false"),
    Illness(
        "json-missing",
        "$.stock.items is missing, expected above 0",
        "high",
        sick="""return 200 '{{"status": "ok"}}';""",
        more="expect: {json: [{path: $.stock.items, above: 0}]}",
    ),
    Illness(
        "json-wrong",
        '$.status is "degraded", expected "ok"',
        sick="""return 200 '{{"status": "degraded"}}';""",
        more="expect: {status: 200, json: [{path: $.status, is: ok}]}",
    ),
    Illness(
        "not-json",
        f"body is not JSON {LOGIN_BEGINS}",
        "high",
        sick=LOGIN,
        more="expect: {json: [{path: $.status, is: ok}]}",
    ),
    Illness(
        "body",
        rf'body does not match "items\\W+[1-9]" {LOGIN_BEGINS}',
        "low",
        sick=LOGIN,
        more=r"expect: {body: {regex: 'items\W+[1-9]'}}",
    ),
    Illness(
        "header",
        'header content-type is "text/html", expected "application/json" in it',
        "low",
        sick=LOGIN,
        more="expect: {headers: {Content-Type: application/json}}",
    ),
)
CONNECTIONS: Final = (
    Illness("down", "connection refused by 127.0.0.1:{down}", url="http://127.0.0.1:{down}/"),
    Illness("refused", "connection refused by 127.0.0.1:{late}", url="http://127.0.0.1:{late}/"),
    Illness("no-name", "name shop.invalid could not be resolved", url="http://shop.invalid/"),
    Illness("expired", "certificate expired on 2026-01-31", url="https://localhost:{expired}/"),
    Illness(
        "other-name",
        "certificate is not for localhost but for shop.example.org",
        url="https://localhost:{other_name}/",
    ),
    Illness("nameless", "certificate is not for localhost: it names no host", url="https://localhost:{nameless}/"),
    Illness("self-signed", "certificate is not trusted: it is self-signed", url="https://localhost:{self_signed}/"),
    Illness(
        "broken-chain",
        "certificate is not trusted: its issuer is unknown here, or the server leaves out an intermediate one",
        url="https://localhost:{without_intermediate}/",
    ),
    Illness(
        "no-tls",
        "TLS with localhost:{main} failed: what answers there does not speak TLS",
        url="https://localhost:{main}/",
    ),
)
IPV6: Final = Illness("ipv6", "connection refused by [::1]:{late6}", url="http://[::1]:{late6}/")


def illnesses() -> list[Illness]:
    """All that this machine can have."""
    return [*PAGES, *CONNECTIONS, *([IPV6] if has_ipv6() else [])]
