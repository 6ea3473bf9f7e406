"""Homecare at a real address in this process, and a telephone that opens one of its links."""

import contextlib
import threading

import httpx
import uvicorn
from homecare.homecare_rig import NOW, HomecareRig
from servers import answers, eventually, free_port
from starlette.responses import PlainTextResponse

PHONE = {"width": 390, "height": 844}
PATIENT_MS = 30_000


class AtAddress(HomecareRig):
    """Asked over HTTP, so that a test may do it while its browser runs."""

    def __init__(self, directory):
        super().__init__(directory)
        self.port, self.is_away = free_port(), False
        self.address = f"http://127.0.0.1:{self.port}"

    def knock(self, method, path, *, role=None, sites=(), **options):
        """The answer, whatever it is."""
        return httpx.request(
            method, f"{self.address}{path}", headers=self.header(role, *sites), timeout=30, trust_env=False,
            **options,
        )  # fmt: skip

    @contextlib.contextmanager
    def served(self):
        """Up until the end of the block."""
        config = uvicorn.Config(
            self._reached, port=self.port, log_config=None, timeout_graceful_shutdown=1, interface="asgi3"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, name="homecare", daemon=True)
        thread.start()
        try:
            eventually(lambda: answers(self.port), 20.0, "homecare's answer")
            yield self
        finally:
            self.app.state.stopping.set()
            server.should_exit = True
            thread.join(10)
            self.close()

    async def _reached(self, scope, receive, send):
        """Patients reach nothing while it is away; a test that asks does."""
        if self.is_away and scope.get("path", "").startswith("/h/"):
            await PlainTextResponse("away", 503)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class Phone:
    """A browser with a store and a worker of its own; its clock stands where homecare's does."""

    def __init__(self, browser, rig, home, watch):
        self.rig, self.home, self.errors = rig, home, []
        self.address = f"{rig.address}/h/{home.secret}"
        self.context = browser.new_context(
            viewport=PHONE, locale="de-DE", timezone_id="Europe/Berlin", reduced_motion="reduce"
        )
        self.context.add_init_script(watch)
        self.context.set_default_timeout(PATIENT_MS)
        self.context.clock.install(time=NOW)
        self.page = None

    def open(self):
        """The link, in a page of its own; the one before is killed in whatever it did."""
        if self.page:
            self.page.close()
        self.page = page = self.context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(self.address)
        return page

    def tap(self, name):
        """A button by what stands on it."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def goes_offline(self):
        """No network; and a request that the browser lets out before it has noticed reaches nothing."""
        self.rig.is_away = True
        self.context.set_offline(True)

    def comes_back(self):
        """The network is there again, and the page is told."""
        self.rig.is_away = False
        self.context.set_offline(False)

    def is_kept_for_offline(self):
        """Once its worker has everything and rules the page."""
        self.page.evaluate("async () => { await navigator.serviceWorker.ready; }")
        self.page.wait_for_function("navigator.serviceWorker.controller !== null")

    def entries(self, kind=None):
        """What the clinic has of it, in words."""
        rows = self.rig.ask("GET", f"/programmes/{self.home.programme}/diary")["entries"]
        return [row for row in rows if kind in (None, row["kind"])]

    def end(self):
        """Nothing of it may have gone wrong."""
        violations = self.page.evaluate("window.violations")
        self.rig.is_away = False
        self.context.close()
        assert (violations, self.errors) == ([], [])
