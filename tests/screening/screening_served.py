"""A screening that answers over HTTP, and the token that a service asks it who somebody is with."""

import threading

import uvicorn
from screening.screening_rig import ScreeningRig
from servers import eventually

from services.kit.auth import tokens
from services.kit.auth.principal import Grant, Principal
from services.kit.http import listen


class ServedScreening:
    """A rig of screening's behind a server of its own, while it is entered."""

    def __init__(self, directory, asker):
        self.rig = ScreeningRig(directory / "screening")
        self._listener = listen("127.0.0.1", 0)
        self._server = uvicorn.Server(uvicorn.Config(self.rig.app, log_config=None, lifespan="off"))
        given = {"sockets": [self._listener]}
        self._thread = threading.Thread(target=self._server.run, kwargs=given, daemon=True)
        token = directory / "identity.token"
        who = Principal(asker, asker, (Grant("identity"),))
        token.write_text(tokens.mint(self.rig.keys.private, who, 600, [tokens.SCREENING]))
        url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.settings = {"screening_url": url, "identity_token": token}

    def __enter__(self):
        self._thread.start()
        eventually(lambda: self._server.started, 30, "screening's start")
        return self

    def __exit__(self, *_):
        self._server.should_exit = True
        self._thread.join(10)
        self.rig.close()
