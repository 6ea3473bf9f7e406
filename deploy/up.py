"""`spondyl up`: one machine's system from the first process to the last."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from deploy.keeping.layout import STAGE
from deploy.local import BUSINESS, Plan, addresses, identity_token_path, ingest_names, make_run, programs
from services.console.accounts.known import DEMO_NAME, DEMO_PASSWORD, FIRST_NAME, first_password
from services.controller.loop import preparing
from services.kit.auth import tokens
from services.kit.auth.principal import Grant, Principal
from services.kit.clearance import ensure_keys
from services.kit.errors import SpondylError
from services.kit.fetch import fetch
from services.kit.logging import configure
from services.kit.runfile import Run, process_start, save, write_private
from services.kit.supervise import Supervisor

STOP_WITHIN_S = 4.5  # every child ends within 5 s of Ctrl-C
ASKED_AT_ONCE = 10
READY_WITHIN_S = 600.0  # the first start on a small machine compiles the control loop for minutes


def up(plan: Plan, *, as_json: bool) -> None:
    """Start everything, say where it is, run until Ctrl-C or SIGTERM.

    Raises SpondylError for what cannot be started; nothing stays running then.
    """
    plan.check()
    _check_secrets(plan)
    configure("up", log_format="console")  # to stderr: stdout has the addresses and nothing else
    os.umask(0o077)  # for every process below: notes, sessions and samples are nobody else's on this machine
    lock = _lock(plan.data)
    try:
        run, supervisor = _prepare(plan)
    except OSError as error:
        raise SpondylError(f"--data {plan.data} cannot be written: {error.strerror}") from None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, supervisor.request_stop)
    announce = _Announcer(run, as_json=as_json, demo=plan.demo)
    filling: list[subprocess.Popen[bytes]] = []
    if plan.demo:
        announce.then = lambda: filling.append(_fill(plan.data))
    try:
        supervisor.run(tick=announce)
    finally:
        announce.close()
        for process in filling:
            process.terminate()
            process.wait()
        _say("ending every process", quiet=as_json)
        supervisor.stop(within_s=STOP_WITHIN_S)
        (plan.data / "run.json").unlink(missing_ok=True)
        os.close(lock)


def _prepare(plan: Plan) -> tuple[Run, Supervisor]:
    """Everything written that the processes are started from; none is started yet."""
    run = make_run(
        plan,
        version=version("spondyl"),
        pid=os.getpid(),
        pid_started_at=process_start(os.getpid()) or 0.0,
        started_at=datetime.now(UTC).isoformat(),
    )
    ensure_keys(plan.data)
    _identity_token(plan.data)
    supervisor = Supervisor(
        programs(plan, run), log_directory=plan.data / "log", state_path=plan.data / "processes.json"
    )
    save(run)
    return run, supervisor


def _fill(data: Path) -> subprocess.Popen[bytes]:
    """Let made-up people come to the demo's clinics, beside everything else."""
    with (data / "log" / "demo-clinic.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "deploy.demo_clinic", str(data)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _identity_token(data: Path) -> None:
    """What other services ask screening with; made anew at every start, and good for a year."""
    key = tokens.ensure_keys(data).private
    who = Principal("scheduler", "scheduler", (Grant("identity"),))
    write_private(
        identity_token_path(data), tokens.mint(key, who, tokens.LONGEST_S, audiences=(tokens.SCREENING,))
    )


def _check_secrets(plan: Plan) -> None:
    """Refuse at once what the console would refuse: a demo's data without --demo. Raises SpondylError."""
    if plan.demo or not (plan.data / "console" / "console.db").exists():
        return
    environment = {**os.environ, "SPONDYL_DATA": str(plan.data)}
    command = [sys.executable, "-m", "services.console.accounts.defaults"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if found.returncode:
        words = found.stderr.strip().removeprefix("spondyl: ") or "the console's accounts cannot be read"
        raise SpondylError(words)


class _Announcer:
    """Says once, when everything answers, where it is; until then what it waits for.

    All are asked at once, in threads: a slow answer delays neither the others nor the supervisor.
    """

    def __init__(self, run: Run, *, as_json: bool, demo: bool = False) -> None:
        self._run = run
        self._demo = demo
        self._as_json = as_json
        self.then: Callable[[], object] = lambda: None  # once it is said
        self._began = time.monotonic()
        self._next_look = 0.0
        self._next_word = self._began + 5.0
        self._waiting = list(_wanted(run))
        self._asked: dict[str, Future[bool]] = {}
        self._threads = ThreadPoolExecutor(max_workers=ASKED_AT_ONCE, thread_name_prefix="ready")

    def __call__(self) -> None:
        """Look at most five times a second; raise SpondylError when the start takes too long."""
        now = time.monotonic()
        if not self._waiting or now < self._next_look:
            return
        self._next_look = now + 0.2
        self._ask()
        if not self._waiting:
            self.close()
            self._announce()
            self.then()
        elif now > self._began + READY_WITHIN_S:
            raise SpondylError(
                f"{self._names} did not answer within {READY_WITHIN_S:.0f} s: see {self._run.data / 'log'}"
            )
        elif now > self._next_word:
            self._next_word = now + 10.0
            _say(f"waiting for {self._names}{self._preparing}", quiet=False)

    def close(self) -> None:
        """Ask no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def _names(self) -> str:
        return ", ".join(name for name, _ in self._waiting)

    @property
    def _preparing(self) -> str:
        """What the gateways' loops are waited for: to be compiled, and how far that is."""
        found = {preparing.look(self._run.data / "gateways" / site) for site in self._run.sites}
        told = sorted({it.english for it in found if it is not None})
        return f" ({'; '.join(told)})" if told else ""

    @property
    def _sign_in(self) -> dict[str, str] | None:
        """The name and password that open the console, while everybody at this terminal may know them."""
        if self._demo:
            return {"name": DEMO_NAME, "password": DEMO_PASSWORD}
        password = first_password(self._run.data)
        return {"name": FIRST_NAME, "password": password} if password else None

    def _ask(self) -> None:
        """Take the answers that have come, ask again where the answer was no."""
        ready = {name for name, answer in self._asked.items() if answer.done() and answer.result()}
        self._waiting = [(name, url) for name, url in self._waiting if name not in ready]
        for name, url in self._waiting:
            if name not in self._asked or self._asked[name].done():
                self._asked[name] = self._threads.submit(_ok, url)

    def _announce(self) -> None:
        if self._as_json:
            print(json.dumps({**addresses(self._run), "sign_in": self._sign_in}), flush=True)
            return
        run = self._run
        print(f"\n  Spondyl is running: open {run.console}\n", flush=True)
        if self._sign_in:
            once = "" if self._demo else " (valid once: it must be changed)"
            print(f"  sign in as {self._sign_in['name']} with {self._sign_in['password']}{once}")
        for name, site in run.sites.items():
            print(f"  {name}: {len(site.devices)} beds, bedside panels at {site.panel}")
        print(f"  MQTT {run.mqtt} (user and password in {run.data / 'run.json'}), telemetry {run.telemetry}")
        print("  Simulated beds. Not a certified medical device. Ctrl-C ends everything.\n", flush=True)


def _wanted(run: Run) -> Iterator[tuple[str, str]]:
    """What must answer before the system counts as started: (name, address)."""
    yield "telemetry", f"{run.telemetry}/readyz"
    for name, address in zip(ingest_names(len(run.ingest)), run.ingest, strict=True):
        yield name, f"{address}/readyz"
    for name in BUSINESS:
        yield name, f"{getattr(run, name)}/readyz"
    yield "console", f"{run.console}/livez"
    for name, site in run.sites.items():
        yield f"gateway-{name}", f"{site.panel}/readyz"


def _say(text: str, *, quiet: bool) -> None:
    if not quiet:
        print(f"spondyl: {text}", file=sys.stderr, flush=True)


def _ok(url: str) -> bool:
    try:
        fetch(url, timeout_s=1.0)
    except (OSError, ValueError):
        return False
    return True


def _lock(data: Path) -> int:
    """One system a data directory: held until this process ends."""
    try:
        (data / "log").mkdir(parents=True, exist_ok=True)
        (data / "secrets").mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SpondylError(f"--data {data} cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise SpondylError(
            f"a system is already running in {data}: see `spondyl status --data {data}`, "
            "or choose another --data"
        ) from None
    if (data / STAGE).exists():
        os.close(descriptor)
        raise SpondylError(f"{data} was not restored to its end: empty it, then `spondyl restore` again")
    return descriptor
