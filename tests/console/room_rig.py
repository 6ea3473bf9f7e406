"""A console's application in this process: its database, its people, beds that are told what they do."""

from datetime import UTC, datetime

import migrated
from asgi_client import Client
from console.account_rig import AccountRig
from console.samples import BOOT, Clock, block

from broker.messages import ActiveAlarm, AlarmState
from services.console import api
from services.console.context import Console
from services.console.live import Live
from services.console.models import ConsoleSettings, Key
from services.console.remote import Remote
from services.console.store import Store


class RoomRig:
    """One console; several on the same directory share its database."""

    def __init__(self, directory, **settings):
        (directory / "console").mkdir(exist_ok=True)
        settings = ConsoleSettings(data=directory, **settings)
        migrated.begin(settings.database, "services.console")
        self.live = Live(Clock())
        self.live.broker(up=True)
        self.console = Console(self.live, Remote(None), settings, Store(settings.database))
        self.app = api.create(self.console, "0", [])
        self.people = AccountRig(settings.database)

    def person(self, name, *roles):
        """Who asks: the account's principal, made when it is not there."""
        return self.people.person(name, *roles).principal

    def client(self, name, **headers):
        """A signed-in browser of this person."""
        return Client(self.app, self.people.headers(name) | headers)

    def bed(self, device="bed-01", site="north", phase="hold"):
        """A bed that has just sent samples."""
        key = Key(site, device)
        self.live.tension(key, block(0, phase=phase))
        return key

    def raise_alarms(self, key, *alarms, boot=BOOT):
        """What is on at a bed now."""
        self.live.alarm(key, AlarmState(boot=boot, seq=1, at=datetime.now(UTC), alarms=list(alarms)))

    def close(self):
        """Let go of the database."""
        self.people.close()
        self.console.store.close()


def over_force(since=None, priority="high", condition="over_force"):
    """An alarm as the gateway publishes it."""
    return ActiveAlarm(
        condition=condition, priority=priority, since=since or datetime.now(UTC), latched=True, hazard="H-1",
        text={"de": "*** ZUG 512 > 450 N", "en": "*** TENSION 512 > 450 N"},
    )  # fmt: skip
