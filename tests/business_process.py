"""A business service as a process of its own: killed and started again as often as a test wants."""

import contextlib
import os

import httpx
import warm
from servers import eventually

from services.kit.ports import free_port

PATIENT_S = 90.0


class Process:
    """`python -m services.NAME` on a data directory."""

    def __init__(self, name, directory, broker, **environment):
        self.name, self.directory, self.broker, self.environment = name, directory, broker, environment
        self.port, self.running = free_port(), None
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self):
        """Up; return when its API answers."""
        environment = os.environ | {
            "SPONDYL_DATA": str(self.directory), "SPONDYL_MQTT_URL": self.broker.url,
            "SPONDYL_HTTP_PORT": str(self.port), "SPONDYL_LOG_LEVEL": "error",
            **self.environment,
        }  # fmt: skip
        self.running = warm.start(f"services.{self.name}", environment, self.directory / f"{self.name}.log")
        eventually(self.is_up, PATIENT_S, f"the API of {self.name}")
        return self

    def is_up(self):
        """Whether it answers."""
        assert self.running.poll() is None, f"{self.name} ended by itself"
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/livez", timeout=5).is_success
        return False

    def kill(self):
        """SIGKILL."""
        self.running.kill()
        self.running.wait(PATIENT_S)

    def post(self, path, body, header):
        """One request over HTTP."""
        answer = httpx.post(f"{self.url}{path}", json=body, headers=header, timeout=PATIENT_S)
        assert answer.is_success, answer.text
        return answer.json()
