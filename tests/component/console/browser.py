"""A headless Chromium, spoken to over its debugging pipe: no port, no library, no driver."""

import asyncio
import base64
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BINARIES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# The pipe has to be file descriptors 3 and 4, which may be anything in our own process: the child moves them.
_LAUNCHER = (
    "import os,sys;r,w=int(sys.argv[1]),int(sys.argv[2]);a=os.dup(r);b=os.dup(w);"
    "os.dup2(a,3);os.dup2(b,4);os.set_inheritable(3,True);os.set_inheritable(4,True);"
    "os.execvp(sys.argv[3],sys.argv[3:])"
)


def chromium() -> str | None:
    """The browser's path, or None where there is none."""
    return next((path for name in BINARIES if (path := shutil.which(name))), None)


@dataclass
class Browser:
    """One browser; every call waits for its answer."""

    writer: asyncio.StreamWriter
    _waiting: dict[int, "asyncio.Future[dict[str, Any]]"] = field(default_factory=dict)
    _count: int = 0
    _contexts: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    """What the pages wrote to the console as errors, and exceptions of their scripts."""

    async def call(self, method: str, session: str | None = None, **params: object) -> dict[str, Any]:
        """One command of the DevTools protocol."""
        self._count += 1
        message: dict[str, object] = {"id": self._count, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[self._count] = future
        self.writer.write(json.dumps(message).encode() + b"\0")
        await self.writer.drain()
        async with asyncio.timeout(30):
            answer = await future
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def listen(self, reader: asyncio.StreamReader) -> None:
        """Sort answers to their calls and note what goes wrong in pages."""
        while True:
            try:
                raw = await reader.readuntil(b"\0")
            except asyncio.IncompleteReadError:
                return
            message = json.loads(raw[:-1])
            future = self._waiting.pop(message.get("id", -1), None)
            if future is not None:
                if not future.done():
                    future.set_result(message)
            else:
                self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(params["exceptionDetails"])[:500])
        entry = params.get("entry", {})
        # A 4xx of a form is shown to the person and is no fault of the page; a refused policy is.
        if message.get("method") == "Log.entryAdded" and entry["level"] == "error" and entry["source"] != "network":
            self.problems.append(entry["text"])

    async def open(self, url: str, width: int, height: int, *, dark: bool = False, script: bool = True) -> "Tab":
        """A page in a context of its own: no cookies from before."""
        context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        target = await self.call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        tab = Tab(self, attached["sessionId"], context)
        self._contexts.add(context)
        for domain in ("Page", "Runtime", "Log"):
            await tab.call(f"{domain}.enable")
        await tab.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await tab.call("Emulation.setEmulatedMedia", features=[scheme])
        if not script:
            await tab.call("Emulation.setScriptExecutionDisabled", value=True)
        await tab.go(url)
        return tab

    async def close(self, context: str) -> None:
        """Drop a page with its cookies."""
        self._contexts.discard(context)
        await self.call("Target.disposeBrowserContext", browserContextId=context)

    async def close_all(self) -> None:
        """Drop every page."""
        for context in list(self._contexts):
            await self.close(context)


@dataclass(frozen=True)
class Tab:
    """One open page."""

    browser: Browser
    session: str
    context: str

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        """One command to this page."""
        return await self.browser.call(method, self.session, **params)

    async def go(self, url: str) -> None:
        """Follow an address."""
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.protocol !== 'about:'")

    async def value(self, expression: str) -> Any:
        """What an expression gives in the page; None while the page is changing."""
        try:
            answer = await self.call(
                "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True
            )
        except RuntimeError:  # the page navigated away under the question
            return None
        return answer["result"].get("value")

    async def until(self, expression: str, limit_s: float = 15.0) -> None:
        """Wait until it is true in the page; fails with the page's text."""
        try:
            async with asyncio.timeout(limit_s):
                while not await self.value(f"!!({expression})"):  # the page is another process
                    await asyncio.sleep(0.03)
        except TimeoutError:
            text = await self.value("location.href + '\\n' + document.body.innerText")
            raise AssertionError(f"never true: {expression}\n{text}") from None

    async def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Keep what it looks like, the whole page or what fits."""
        shot = await self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        if whole:
            size = (await self.call("Page.getLayoutMetrics"))["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 6000), "scale": 1}
            shot = await self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    async def close(self) -> None:
        """Drop the page with its cookies."""
        await self.browser.close(self.context)


@contextlib.asynccontextmanager
async def running_browser(binary: str) -> AsyncIterator[Browser]:
    """Start the browser, end its whole process group."""
    profile = Path(tempfile.mkdtemp(prefix="hc-chromium-"))
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _LAUNCHER, str(to_read), str(from_write), binary,
        "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--hide-scrollbars", "--no-first-run", "--disable-background-networking", "--disable-extensions",
        "--disable-component-update", f"--user-data-dir={profile}",
        pass_fds=(to_read, from_write), start_new_session=True,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    os.close(to_read)
    os.close(from_write)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    incoming, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(from_read, "rb"))
    outgoing, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(to_write, "wb"))
    browser = Browser(asyncio.StreamWriter(outgoing, protocol, None, loop))
    listening = asyncio.create_task(browser.listen(reader))
    try:
        yield browser
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        incoming.close()
        outgoing.close()
        shutil.rmtree(profile, ignore_errors=True)
