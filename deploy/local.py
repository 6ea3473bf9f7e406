"""Everything on one machine: engines, services, a gateway per site, and what they are told."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from broker.contract import Role
from broker.mosquitto import User, render_local
from deploy import engines, simulated_operator
from deploy.ports import Ports, answers
from services.kit.auth import tokens
from services.kit.errors import SpondylError
from services.kit.ports import is_free
from services.kit.runfile import Credential, Run, Site
from services.kit.supervise import Program

SITE_NAMES = ("north", "south", "east", "west")
MAX_BEDS_PER_SITE = 64
MAX_SITES = 64
MAX_INGEST_WORKERS = 16
CONSOLE_PORT = 8080
INTEGRATOR: Final = "integrator"
SCENARIOS: Final = Path(__file__).parents[1] / "tests" / "scenarios"  # in a checkout
BUSINESS: Final = ("screening", "scheduler", "billing", "homecare")  # with database, inbox and outbox


@dataclass(frozen=True, slots=True)
class Plan:
    """What a person asked `spondyl up` for."""

    data: Path
    beds: int = 6
    sites: int = 2
    host: str = "127.0.0.1"
    port: int | None = None
    period_ms: float = 20.0
    block_ms: float = 200.0
    seed: int = 1
    therapist: bool = True
    ingest_workers: int = 1
    demo: bool = False

    def check(self) -> None:
        """Refuse what cannot be started: what, the value, the limit and where it comes from."""
        refusals = [
            text
            for wrong, text in (
                (
                    self.port is not None and not 0 < self.port < 65536,  # noqa: PLR2004  (TCP's port numbers)
                    f"--port is {self.port}: a port is 1 to 65535",
                ),
                (
                    ":" in self.host or not is_free(self.host, 0),
                    f"--host is {self.host!r}: an IPv4 address or name of this machine is needed",
                ),
                (
                    not 1 <= self.sites <= MAX_SITES,
                    f"--sites is {self.sites}: 1 to {MAX_SITES} on one machine",
                ),
                (
                    self.beds < self.sites,
                    f"--beds is {self.beds} for {self.sites} sites: every site needs at least one bed",
                ),
                (
                    self.beds > self.sites * MAX_BEDS_PER_SITE,
                    f"--beds is {self.beds} for {self.sites} sites: a loop serves {MAX_BEDS_PER_SITE}",
                ),
                (
                    not 1 <= self.period_ms <= 20,  # noqa: PLR2004  (the loop's range)
                    f"--period-ms is {self.period_ms:g}: the loop runs at 1 to 20 ms",
                ),
                (
                    not self.period_ms <= self.block_ms <= 5000,  # noqa: PLR2004  (a block of a message)
                    f"--block-ms is {self.block_ms:g}: from one period ({self.period_ms:g}) to 5000 ms",
                ),
                (
                    not 1 <= self.ingest_workers <= MAX_INGEST_WORKERS,
                    f"--ingest-workers is {self.ingest_workers}: 1 to {MAX_INGEST_WORKERS} on one machine",
                ),
            )
            if wrong
        ]
        if refusals:
            raise SpondylError("; ".join(refusals))


def site_devices(beds: int, sites: int) -> dict[str, list[str]]:
    """Deal the beds out: {site: [device]}, contiguous, numbered over the whole chain."""
    width = max(2, len(str(beds)))
    names = [SITE_NAMES[i] if i < len(SITE_NAMES) else f"site-{i + 1}" for i in range(sites)]
    dealt: dict[str, list[str]] = {}
    first = 0
    for index, name in enumerate(names):
        count = beds // sites + (index < beds % sites)
        dealt[name] = [f"bed-{number + 1:0{width}d}" for number in range(first, first + count)]
        first += count
    return dealt


def make_run(plan: Plan, *, version: str, pid: int, pid_started_at: float, started_at: str) -> Run:
    """Choose ports and passwords and write down the whole system, before anything is started."""
    ports = Ports(plan.data / "ports.json", plan.host)
    web = (
        ports.required("console", plan.port, "--port")
        if plan.port is not None
        else ports.choose("console", CONSOLE_PORT)
    )
    dealt = site_devices(plan.beds, plan.sites)
    panel = {site: f"http://{plan.host}:{ports.choose(f'panel-{site}', CONSOLE_PORT + 1)}" for site in dealt}
    telemetry = ports.choose("telemetry", CONSOLE_PORT + 100)
    workers = [ports.choose(name) for name in ingest_names(plan.ingest_workers)]
    archiver = ports.choose("archiver")
    business = {name: f"http://{plan.host}:{ports.choose(name)}" for name in BUSINESS}
    broker = ports.choose("mqtt", 1883)
    redis = ports.choose("redis", 6379)
    ports.save()
    names = [*(f"gw-{site}" for site in dealt), "telemetry", "console", *BUSINESS, INTEGRATOR]
    passwords = engines.password_store(plan.data / "secrets" / "passwords.json", [*names, "redis"])
    return Run.model_validate(
        {
            "pid": pid,
            "pid_started_at": pid_started_at,
            "started_at": started_at,
            "version": version,
            "data": plan.data,
            "console": f"http://{plan.host}:{web}",
            "telemetry": f"http://{plan.host}:{telemetry}",
            "ingest": [f"http://{plan.host}:{port}" for port in workers],
            "archiver": f"http://{plan.host}:{archiver}",
            **business,
            "panels": {
                device: f"{panel[site]}/{device}" for site, devices in dealt.items() for device in devices
            },
            "mqtt": f"mqtt://{plan.host}:{broker}",
            "mqtt_user": INTEGRATOR,
            "mqtt_password": passwords[INTEGRATOR],
            "redis": f"redis://:{passwords['redis']}@{plan.host}:{redis}/0",
            "users": {name: Credential(user=name, password=passwords[name]) for name in names},
            "sites": {
                site: Site(gateway=f"gw-{site}", panel=panel[site], devices=devices)
                for site, devices in dealt.items()
            },
        }
    )


def programs(plan: Plan, run: Run) -> list[Program]:
    """Every process of the machine, as data; the highest stage ends first."""
    broker_up, redis_up = _answers(run.mqtt), _answers(run.redis)
    return [
        Program("mosquitto", [engines.mosquitto(), "-c", str(_render_mosquitto(plan, run))], stage=0),
        Program("redis", [engines.redis_server()[0], str(_render_redis(plan, run))], stage=0),
        _telemetry(run, "telemetry", "services.telemetry", run.telemetry, needs=redis_up),
        *(
            _telemetry(
                run, name, "services.telemetry.ingest", address, needs=lambda: broker_up() and redis_up()
            )
            for name, address in zip(ingest_names(len(run.ingest)), run.ingest, strict=True)
        ),
        _telemetry(run, "archiver", "services.telemetry.archiver", run.archiver, needs=redis_up),
        _service(
            run,
            "console",
            needs=broker_up,
            stage=2,
            http=run.console,
            extra={
                "SPONDYL_TELEMETRY_URL": run.telemetry,
                "SPONDYL_SCREENING_URL": run.screening,
                "SPONDYL_SCHEDULER_URL": run.scheduler,
                "SPONDYL_BILLING_URL": run.billing,
                "SPONDYL_HOMECARE_URL": run.homecare,
                "SPONDYL_PANELS": json.dumps(
                    {
                        f"{name}/{device}": run.panels[device]
                        for name, site in run.sites.items()
                        for device in site.devices
                    }
                ),
                "SPONDYL_DEMO": str(plan.demo).lower(),
                "SPONDYL_SIMULATED_OPERATOR": str(
                    simulated_operator.path_of(run.data) if plan.therapist else ""
                ),
            },
        ),
        _service(run, "screening", needs=broker_up, stage=1, http=run.screening),
        *(
            _service(
                run,
                name,
                needs=broker_up,
                stage=1,
                http=getattr(run, name),
                extra={
                    "SPONDYL_SCREENING_URL": run.screening,
                    "SPONDYL_IDENTITY_TOKEN": str(identity_token_path(run.data)),
                },
            )
            for name in ("scheduler", "billing", "homecare")
        ),
        *(_gateway(plan, run, name, site) for name, site in run.sites.items()),
        *([_therapist(plan, run)] if plan.therapist else []),
    ]


def identity_token_path(data: Path) -> Path:
    """The token that services ask screening with: one person's name and address, nothing else."""
    return data / "secrets" / "identity.token"


def ingest_names(count: int) -> list[str]:
    """What the ingest workers are called in `status`."""
    return [f"ingest-{number}" for number in range(1, count + 1)]


def addresses(run: Run) -> dict[str, object]:
    """The first line of `spondyl up --json`."""
    return run.model_dump(
        mode="json",
        include={
            "console",
            "telemetry",
            "ingest",
            "archiver",
            *BUSINESS,
            "panels",
            "mqtt",
            "mqtt_user",
            "mqtt_password",
            "data",
            "pid",
        },
    )


def host_port(url: str) -> tuple[str, int]:
    """Host and port of one of our own addresses."""
    host, _, port = url.rpartition("//")[2].rpartition("@")[2].partition("/")[0].rpartition(":")
    return host, int(port)


def _answers(url: str) -> Callable[[], bool]:
    host, port = host_port(url)
    return lambda: answers(host, port)


def _render_mosquitto(plan: Plan, run: Run) -> Path:
    services: tuple[Role, ...] = ("telemetry", "console", *BUSINESS, INTEGRATOR)
    users = [User(role=role, username=role, password=run.users[role].password) for role in services]
    users += [
        User(
            role="gateway",
            username=site.gateway,
            password=run.users[site.gateway].password,
            site=name,
            gateway=site.gateway,
            devices=tuple(site.devices),
        )
        for name, site in run.sites.items()
    ]
    host, port = host_port(run.mqtt)
    return render_local(plan.data / "mosquitto", host=host, port=port, users=users)


def _render_redis(plan: Plan, run: Run) -> Path:
    host, port = host_port(run.redis)
    password = run.redis.partition("://:")[2].rpartition("@")[0]
    return engines.render_redis(plan.data / "redis", host=host, port=port, password=password)


def _environment(run: Run, user: str, http: str | None = None) -> dict[str, str]:
    environment = {
        "SPONDYL_DATA": str(run.data),
        "SPONDYL_ACCESS_PUBLIC_KEY": str(tokens.keys_of(run.data).public),
        "SPONDYL_MQTT_URL": run.mqtt,
        "SPONDYL_MQTT_USERNAME": user,
        "SPONDYL_MQTT_PASSWORD": run.users[user].password,
        # One BLAS thread: no service of ours multiplies matrices large enough for two.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    if http is not None:
        host, port = host_port(http)
        environment |= {"SPONDYL_HTTP_HOST": host, "SPONDYL_HTTP_PORT": str(port)}
    return environment


def _service(
    run: Run,
    name: str,
    *,
    needs: Callable[[], bool],
    stage: int,
    http: str,
    extra: dict[str, str] | None = None,
) -> Program:
    return Program(
        name,
        [sys.executable, "-m", f"services.{name}"],
        _environment(run, name, http) | (extra or {}),
        needs,
        stage,
    )


def _telemetry(run: Run, name: str, module: str, http: str | None, needs: Callable[[], bool]) -> Program:
    """One of telemetry's processes: they share user, store and archive."""
    environment = {**_environment(run, "telemetry", http), "SPONDYL_REDIS_URL": run.redis}
    return Program(name, [sys.executable, "-m", module], environment, needs, stage=1)


def _gateway(plan: Plan, run: Run, name: str, site: Site) -> Program:
    # A gateway needs no broker to start: a bed works with the network down.
    return Program(
        f"gateway-{name}",
        [sys.executable, "-m", "services.controller"],
        {
            **_environment(run, site.gateway, site.panel),
            "SPONDYL_SITE": name,
            "SPONDYL_DEVICES": ",".join(site.devices),
            "SPONDYL_PERIOD_MS": f"{plan.period_ms:g}",
            "SPONDYL_BLOCK_MS": f"{plan.block_ms:g}",
            "SPONDYL_SEED": str(plan.seed + list(run.sites).index(name)),
            "SPONDYL_CLEARANCE_PUBLIC_KEY": str(plan.data / "secrets" / "clearance.pub"),
        },
        stage=2,
        stop_s=3.5,
    )


def _therapist(plan: Plan, run: Run) -> Program:
    panels = [_answers(site.panel) for site in run.sites.values()]
    operator = simulated_operator.ensure(plan.data)
    return Program(
        "therapist",
        [sys.executable, "-m", "services.controller.therapist"],
        {
            "SPONDYL_DATA": str(run.data),
            "SPONDYL_PANELS": json.dumps(run.panels),
            "SPONDYL_SEED": str(plan.seed),
            "SPONDYL_OPERATOR_NAME": operator.name,
            "SPONDYL_OPERATOR_PIN": operator.pin,
            "SPONDYL_THERAPIST_WAITS_S": "120" if plan.demo else "0",
            "SPONDYL_THERAPIST_SCENARIOS": str(SCENARIOS) if plan.demo and SCENARIOS.is_dir() else "",
        },
        needs=lambda: all(panel() for panel in panels),
        stage=2,  # with the gateways: they need all the time there is
        stop_s=0.5,
    )
