"""The manifests as `kubectl apply -k` would send them; see kustomized.py for what is rendered here."""

import base64
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import kubernetes_validate
import pytest
from kustomized import containers, kustomized

from deploy.kubernetes.secrets import SECRETS, rendered
from services.billing.settings import BillingSettings
from services.console.models import ConsoleSettings
from services.homecare.settings import HomecareSettings
from services.kit.auth import tokens
from services.kit.errors import SpondylError
from services.registry.settings import RegistrySettings
from services.scheduler.settings import SchedulerSettings
from services.screening.settings import ScreeningSettings
from services.telemetry.settings import TelemetrySettings

ROOT = Path(__file__).parents[2]
HERE = ROOT / "deploy" / "kubernetes"
VERSION = "1.37"
READS = {
    "telemetry": TelemetrySettings, "ingest": TelemetrySettings, "archiver": TelemetrySettings,
    "console": ConsoleSettings, "screening": ScreeningSettings, "scheduler": SchedulerSettings,
    "billing": BillingSettings, "homecare": HomecareSettings, "registry": RegistrySettings,
}  # fmt: skip
JOB_READS = (TelemetrySettings, ConsoleSettings, ScreeningSettings)
NOT_OURS = {"OTEL_EXPORTER_OTLP_ENDPOINT", "FORWARDED_ALLOW_IPS"}  # read by OpenTelemetry and uvicorn
ALONE = {"registry", "mqtt"}  # one replica each
STORES = {  # ports outside the cluster's own services
    "telemetry": {5432, 6379, 443}, "ingest": {5432, 6379}, "archiver": {5432, 6379, 443},
    "console": {5432, 443}, "screening": {5432}, "scheduler": {5432, 587}, "billing": {5432},
    "homecare": {5432, 587}, "registry": {5432}, "migrate": {5432}, "mqtt": set(),
}  # fmt: skip
DOORS = {"console", "telemetry", "homecare", "registry"}
NOT_MADE_HERE = {"doors-tls"}  # a public certificate, by whoever gives one
LEAST = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
GRACE_S = 10


@pytest.fixture(scope="module")
def central():
    """What the example of a chain renders to, by kind and name."""
    return {(one["kind"], one["metadata"]["name"]): one for one in kustomized(HERE / "overlays" / "central")}


@pytest.fixture(scope="module")
def workloads(central):
    """Everything that runs, by name."""
    return {
        name: one for (kind, name), one in central.items() if kind in ("Deployment", "StatefulSet", "Job")
    }


def pod(workload):
    return workload["spec"]["template"]["spec"]


def main_of(workload):
    (found,) = pod(workload)["containers"]
    return found


def of_kind(central, kind):
    return {name: one for (found, name), one in central.items() if found == kind}


@pytest.mark.parametrize("which", ["base", "overlays/central"])
def test_every_document_is_one_of_its_api(which):
    """A field that is spelt wrong is dropped by a cluster without a word: a probe less, a right more."""
    documents = kustomized(HERE / which)
    assert len({(one["kind"], one["metadata"]["name"]) for one in documents}) == len(documents) > 50
    for document in documents:
        kubernetes_validate.validate(document, VERSION, strict=True)


def test_everything_of_the_centre_runs(workloads):
    """A service that no manifest names is one that nobody misses before a clinic does."""
    assert workloads.keys() == STORES.keys()


def test_nobody_has_a_right_that_it_does_not_need(workloads):
    """Whoever breaks into one container is nobody there, and has no key of the cluster."""
    for name, workload in workloads.items():
        spec = pod(workload)
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        found = spec["securityContext"]
        assert (found["runAsNonRoot"], found["runAsUser"]) == (True, 10001), name
        assert found["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
        for container in containers(workload):
            assert container["securityContext"] == LEAST, (name, container["name"])


def test_everything_says_what_it_needs_and_how_it_is(workloads):
    """Without requests a node is filled until it kills; without probes the dead are asked for work."""
    for name, workload in workloads.items():
        for container in containers(workload):
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name
            assert "memory" in container["resources"]["limits"], name
        assert pod(workload)["terminationGracePeriodSeconds"] >= GRACE_S, name
        if workload["kind"] == "Deployment":
            probed = {kind: main_of(workload)[f"{kind}Probe"]["httpGet"] for kind in PATHS}
            assert {kind: probe["path"] for kind, probe in probed.items()} == PATHS, name
            assert {probe["scheme"] for probe in probed.values()} == {"HTTPS"}, name
            assert main_of(workload)["ports"] == [{"name": "https", "containerPort": 8080}], name
    assert {f"{kind}Probe" for kind in PATHS} <= main_of(workloads["mqtt"]).keys()


PATHS = {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}


def test_a_drained_node_takes_one_replica_at_a_time(central, workloads):
    """Replicas are spread, and a budget keeps the rest; the one broker is moved on purpose only."""
    budgets = of_kind(central, "PodDisruptionBudget")
    assert budgets.keys() == workloads.keys() - {"migrate"}
    for name, budget in budgets.items():
        labels = {"app.kubernetes.io/name": name}
        assert budget["spec"]["selector"]["matchLabels"] == labels
        assert labels.items() <= workloads[name]["spec"]["template"]["metadata"]["labels"].items()
        assert budget["spec"]["maxUnavailable"] == (name != "mqtt")
        if name != "mqtt":
            keys = {row["topologyKey"] for row in pod(workloads[name])["topologySpreadConstraints"]}
            assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    assert {name for name, one in workloads.items() if one["spec"].get("replicas", 1) == 1} - {
        "migrate"
    } == ALONE
    assert workloads["registry"]["spec"]["strategy"] == {"type": "Recreate"}


def test_every_variable_is_one_that_the_service_reads(workloads):
    """A variable that nobody reads is a default that everybody believes to be changed."""
    for name, settings in READS.items():
        known = {f"SPONDYL_{field.upper()}" for field in settings.model_fields}
        named = {row["name"] for row in main_of(workloads[name])["env"]} - NOT_OURS
        assert {variable.removesuffix("_FILE") for variable in named} <= known, name
        assert "SPONDYL_MIGRATE" in named, name
    known = {f"SPONDYL_{field.upper()}" for settings in JOB_READS for field in settings.model_fields}
    told = set(re.findall(r"SPONDYL_\w+", main_of(workloads["migrate"])["args"][0]))
    assert {variable.removesuffix("_FILE") for variable in told} <= known


def test_no_secret_stands_in_a_manifest_and_each_that_is_named_is_made(central, workloads):
    """A key that the Secret has not is a pod that waits for ever."""
    keys = of_kind(central, "ConfigMap")["centre"]["data"].keys()
    for name, workload in workloads.items():
        for row in (row for container in containers(workload) for row in container.get("env", [])):
            words = ("PASSWORD", "SECRET", "DATABASE_URL", "REDIS_URL", "ACCESS_KEY")
            if any(word in row["name"] for word in words):
                assert row["name"].endswith("_FILE"), row
            asked = row.get("valueFrom", {}).get("configMapKeyRef", {"key": None, "optional": True})
            assert asked["key"] in keys or asked.get("optional"), (name, row)
        for secret in (volume["secret"] for volume in pod(workload)["volumes"] if "secret" in volume):
            wanted = {item["key"] for item in secret.get("items", [])}
            assert wanted <= SECRETS[secret["secretName"]].keys(), (name, secret)
    named = {
        tls["secretName"] for door in of_kind(central, "Ingress").values() for tls in door["spec"]["tls"]
    }
    assert named <= SECRETS.keys() | NOT_MADE_HERE
    assert not of_kind(central, "Secret")


def test_files_that_are_named_are_mounted(workloads):
    """A certificate that is not where the variable says ends the service at its start."""
    for name, workload in workloads.items():
        held = {volume["name"]: volume for volume in pod(workload)["volumes"]}
        mounts = {mount["mountPath"]: held[mount["name"]] for mount in main_of(workload)["volumeMounts"]}
        for row in main_of(workload).get("env", []):
            path = row.get("value", "")
            if path.startswith("/run/secrets/"):
                folder, _, file = path.rpartition("/")
                secret = mounts[folder]["secret"]
                paths = {item["path"] for item in secret.get("items", [])}
                assert file in (paths or SECRETS[secret["secretName"]]), (name, row)


def test_a_service_reaches_what_it_asks_and_nobody_else(central, workloads):
    """Both ends must agree: what a URL names is let out here, and in there."""
    policies = of_kind(central, "NetworkPolicy")
    assert policies["nobody-reaches-anybody"]["spec"] == {
        "podSelector": {}, "policyTypes": ["Ingress", "Egress"],
    }  # fmt: skip
    for name, workload in workloads.items():
        urls = [row.get("value", "") for row in main_of(workload).get("env", [])]
        asked = set(re.findall(r"https://(\w+):8080|mqtts://(\w+):8883", " ".join(urls)))
        wanted = {one or other for one, other in asked}
        spec = policies[name]["spec"]
        assert spec["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": name}
        assert peers(spec["egress"], "to") == wanted, name
        for other in wanted - {"mqtt"}:
            assert name in peers(policies[other]["spec"]["ingress"], "from"), (name, other)
        outside = [rule for rule in spec["egress"] if "ipBlock" in rule["to"][0]]
        assert {port["port"] for rule in outside for port in rule["ports"]} == STORES[name], name


def peers(rules, end):
    """Names of pods of ours."""
    selectors = [peer["podSelector"] for rule in rules for peer in rule.get(end, []) if "podSelector" in peer]
    return {selector["matchLabels"]["app.kubernetes.io/name"] for selector in selectors}


def test_the_doors_speak_tls_on_both_sides_and_show_no_figures(central):
    """What is open to the world is little, and what it leads to says by certificate who it is."""
    doors = of_kind(central, "Ingress")
    policies = of_kind(central, "NetworkPolicy")
    assert doors.keys() == DOORS
    for name, door in doors.items():
        noted = {key.partition("/")[2]: value for key, value in door["metadata"]["annotations"].items()}
        assert (noted["backend-protocol"], noted["proxy-ssl-verify"]) == ("HTTPS", "on")
        assert noted["proxy-ssl-name"] == name
        (rule,) = door["spec"]["rules"]
        assert door["spec"]["tls"][0]["hosts"] == [rule["host"]]
        assert rule["host"].endswith(".chain.example")
        led = {row["path"]: row["backend"]["service"]["name"] for row in rule["http"]["paths"]}
        assert led.get("/metrics", name) == ("nobody" if "/" in led else name)
        assert set(led.values()) - {"nobody"} == {name}
    let_in = {name for name, one in policies.items() if "ingress-nginx" in str(one["spec"].get("ingress"))}
    assert let_in == DOORS
    assert "selector" not in of_kind(central, "Service")["nobody"]["spec"]


def test_replicas_share_their_files(central, workloads):
    """Findings that only one replica of screening has are findings that come and go."""
    claims = of_kind(central, "PersistentVolumeClaim")
    for name, workload in workloads.items():
        for volume in (one for one in pod(workload)["volumes"] if "persistentVolumeClaim" in one):
            claim = claims[volume["persistentVolumeClaim"]["claimName"]]
            shared = claim["spec"]["accessModes"] == ["ReadWriteMany"]
            assert shared or workload["spec"]["replicas"] == 1, name


def test_every_image_of_ours_is_of_one_release(workloads):
    """`latest` is another program after every restart; the example begins with this release."""
    release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = {container["image"] for one in workloads.values() for container in containers(one)}
    ours = {image for image in images if "spondyl/" in image}
    assert len(ours) == 8
    assert {image.rpartition(":")[2] for image in ours} == {release}
    assert images - ours == {"docker.io/library/eclipse-mosquitto:2"}


def test_the_broker_starts_with_the_script_of_this_release(workloads):
    """Two copies of a script would be two scripts: our images have the one that compose mounts."""
    (entry,) = pod(workloads["mqtt"])["initContainers"]
    _, path, folder = entry["command"]
    script = ROOT / path.removeprefix("/opt/app/")
    assert script.is_relative_to(ROOT / "deploy")
    assert script.is_file()
    started = main_of(workloads["mqtt"])["command"]
    assert started == ["sh", folder + script.name, "/var/lib/spondyl"]
    assert main_of(workloads["mqtt"])["readinessProbe"]["exec"]["command"] == [*started[:2], "--healthy"]


def test_secrets_are_made_of_files_and_the_token_of_names_of_its_key(tmp_path):
    """Keys never stand in a command line or in a file that is kept with the manifests."""
    keys = tokens.ensure_keys(tmp_path / "registry")
    own = tmp_path / "own"
    own.mkdir()
    for file in {file for files in SECRETS.values() for file in files.values()} - {"identity.token"}:
        if file not in ("access.key", "access.pub"):
            (own / file).write_bytes(file.encode())
    made = {one["metadata"]["name"]: one for one in rendered(list(SECRETS), [keys.private.parent, own])}
    for one in made.values():
        kubernetes_validate.validate(one, VERSION, strict=True)
    assert made.keys() == SECRETS.keys()
    assert base64.b64decode(made["databases"]["data"]["console"]) == b"console-database"
    assert base64.b64decode(made["console-keys"]["data"]["access.key"]) == keys.private.read_bytes()
    token = base64.b64decode(made["identity"]["data"]["token"]).decode()
    assert tokens.read(token, keys.public.read_bytes(), tokens.SCREENING).name == "scheduler"


def test_a_file_that_is_missing_is_named_and_nothing_is_made(tmp_path):
    """Half of the Secrets are services that wait without a word."""
    (tmp_path / "redis-url").write_text("redis://store:6379")
    with pytest.raises(SpondylError, match="store-access-key, store-secret in none of"):
        rendered(["stores"], [tmp_path])
    command = [sys.executable, "-m", "deploy.kubernetes.secrets", "--only", "stores", str(tmp_path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "store-secret" in answer.stderr
