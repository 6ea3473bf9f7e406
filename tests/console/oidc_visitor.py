"""A browser for tests of signing in through a provider: its cookies, the forms there, the way back."""

import asyncio
import re
from html.parser import HTMLParser

import httpx
from oidc_provider import PASSWORD
from sqlalchemy import select

from services.console import api
from services.console.tables import TRAIL

HERE = "http://testserver"
ROLES = {"clinicians": ["clinician"], "north-therapists": ["therapist@north"], "wall": ["monitor"]}


class Forms(HTMLParser):
    """The last form of a page that is sent by POST: its hidden fields."""

    def __init__(self, text):
        super().__init__()
        self.fields, self._in = {}, False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note a form or a field."""
        found = dict(attrs)
        if tag == "form":
            self._in = found.get("method", "").lower() == "post"
            self.fields = {} if self._in else self.fields
        elif tag == "input" and self._in and found.get("name") and found.get("type") != "checkbox":
            self.fields[found["name"]] = found.get("value") or ""


class Visitor:
    """A browser: its cookies at the console (in this process) and at the provider (over the network)."""

    def __init__(self, console):
        self.console = console
        self.app = api.create(console, "0", [])
        self.cookies = httpx.Cookies()
        self.there = httpx.Client(trust_env=False)

    def get(self, path):
        """One page of the console."""

        async def ask():
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=HERE, cookies=self.cookies) as client:
                answer = await client.get(path, headers={"accept": "text/html"})
                self.cookies = client.cookies
                return answer

        return asyncio.run(ask())

    def leave(self, path="/sign-in/oidc"):
        """The address at the provider that the console sends to."""
        answer = self.get(path)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def sign_in_there(self, address, name, consent="accept", password=PASSWORD):
        """Through the provider's own forms; the address that it sends back to."""
        answer = self.there.get(address)
        for _ in range(12):
            if answer.is_redirect:
                if answer.headers["location"].startswith(HERE):
                    return answer.headers["location"].removeprefix(HERE)
                answer = self.there.send(answer.next_request)
                continue
            fields = Forms(answer.text).fields
            known = {"login": name, "password": password}
            fields |= {key: value for key, value in known.items() if key in fields}
            if not known.keys() & fields.keys():
                fields["answer"] = consent
            answer = self.there.post(answer.url, data=fields)
        words = re.sub(r"<[^>]*>|\s+", " ", answer.text)
        raise AssertionError(f"the provider does not send back: {answer.url} {words[:1500]}")

    def come(self, name, **how):
        """There and back: the console's answer."""
        return self.get(self.sign_in_there(self.leave(), name, **how))

    def refusals(self):
        """What the trail says of refused sign-ins."""
        rows = self.console.trail.rows(select(TRAIL).where(TRAIL.c.action == "sign_in.refused"))
        return [dict(row.detail) for row in rows]

    @property
    def who(self):
        """The account this browser is signed in with, if any."""
        return self.console.store.user_named("grace")


def said(answer):
    """The refusal that the sign-in page shows."""
    found = re.search(r'id="refusal".*?<span>(.*?)</span>', answer.text, re.DOTALL)
    return found[1] if found else ""
