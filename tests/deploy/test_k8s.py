"""What the Kubernetes manifests name exists in the code, and what the code needs is given."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub_local.layout import SERVICES as LAYOUT
from hub_market_data.settings import FeedSettings
from hub_runtime import load
from tests.deploy.code import megabytes, options, service

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
KUBECTL = ROOT / ".venv/manifests/bin/kubectl"
SERVICES = ("auth", "market-data", "order", "position", "portfolio", "quote-stream", "gateway")
GRPC_PORT, HTTP_PORT, ADMIN_PORT = 50051, 8080, 9090
# Given to a process by its pod, read by nobody: a part of other variables.
PARTS = {"HUB_POSTGRES"}
FEED_DATA = "/srv/feed"


OVERLAYS = ("overlays/dev", "overlays/prod", "examples/lean", "examples/alpaca")


@cache
def rendered(overlay: str) -> list[dict[str, Any]]:
    found = subprocess.run([KUBECTL, "kustomize", K8S / overlay], check=True, capture_output=True, text=True)
    return [document for document in yaml.safe_load_all(found.stdout) if document]


def of_kind(overlay: str, *kinds: str) -> list[dict[str, Any]]:
    return [document for document in rendered(overlay) if document["kind"] in kinds]


@dataclass(frozen=True)
class Pod:
    """One pod template of the platform's own code."""

    name: str
    service: str
    args: tuple[str, ...]
    spec: dict[str, Any]
    environment: dict[str, str]

    @property
    def container(self) -> dict[str, Any]:
        [container] = self.spec["containers"]
        return dict(container)


def pods(overlay: str) -> Iterator[Pod]:
    config = {document["metadata"]["name"]: document["data"] for document in of_kind(overlay, "ConfigMap")}
    for document in of_kind(overlay, "Deployment", "Job"):
        template = document["spec"]["template"]
        name = template["metadata"]["labels"]["app.kubernetes.io/name"]
        if name not in SERVICES:
            continue
        [container] = template["spec"]["containers"]
        environment = dict(config[container["envFrom"][0]["configMapRef"]["name"]])
        for variable in container.get("env", []):
            environment[variable["name"]] = expanded(variable["value"], environment)
        yield Pod(document["metadata"]["name"], name, tuple(container["args"]), template["spec"], environment)


def expanded(text: str, environment: Mapping[str, str]) -> str:
    """As the kubelet does it: $(NAME) is the variable of that name."""
    return re.sub(r"\$\((\w+)\)", lambda match: environment[match[1]], text)


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_job_of_every_service_is_deployed_once_and_nothing_else(overlay: str) -> None:
    deployed = [(pod.service, job) for pod in pods(overlay) for job in pod.args]
    expected = {(name, job) for name in SERVICES for job in service(name).jobs}
    expected |= {(name, "migrate") for name in ("auth", "market-data", "order", "position", "portfolio")}
    assert sorted(deployed) == sorted(expected)


def test_every_variable_is_one_that_the_code_reads_and_none_that_it_needs_is_missing(overlay: str) -> None:
    known = {variable for name in SERVICES for variable in service(name).variables}
    for pod in pods(overlay):
        own = service(pod.service).variables
        assert set(pod.environment) - known - PARTS == set(), pod.name
        named = {variable["name"] for variable in pod.container.get("env", [])}
        assert named - set(own) == set(), f"{pod.name} is given what {pod.service} does not read"
        needed = {variable for variable, required in own.items() if required}
        assert needed - set(pod.environment) == set(), pod.name


def test_every_file_that_a_variable_names_is_mounted_from_a_secret_that_the_script_makes(
    overlay: str, tmp_path: Path
) -> None:
    made = secrets(tmp_path)
    for pod in pods(overlay):
        volumes = {
            volume["name"]: volume["secret"]["secretName"]
            for volume in pod.spec["volumes"]
            if "secret" in volume
        }
        mounted = {}
        for mount in pod.container["volumeMounts"]:
            if mount["name"] in volumes:
                for key in made[volumes[mount["name"]]]:
                    mounted[f"{mount['mountPath']}/{key}"] = key
        own = service(pod.service).variables
        files = {
            value for name, value in pod.environment.items() if name in own and value.startswith("/run/")
        }
        assert files - set(mounted) == set(), pod.name
        assert {path for path in mounted if "/tls/" not in path} - files == set(), f"{pod.name}: not needed"


def test_every_process_would_start_with_the_settings_it_is_given(overlay: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("00" * 32)
    for pod in pods(overlay):
        given = {
            name: str(file) if value.startswith(("/run/hub/", FEED_DATA)) else value
            for name, value in pod.environment.items()
        }
        settings = load(service(pod.service).settings, given)
        if isinstance(settings, FeedSettings) and pod.args != ("serve",):
            settings.require_feed()


def test_without_a_word_the_replay_is_played_and_an_example_plays_its_own_feed() -> None:
    feeds = {
        overlay: {pod.environment["HUB_FEED"] for pod in pods(overlay) if pod.service == "market-data"}
        for overlay in OVERLAYS
    }
    assert list(feeds.values()) == [{"replay"}, {"replay"}, {"lean"}, {"alpaca"}]


def test_files_of_a_feed_are_mounted_where_they_are_read_and_nobody_can_change_them() -> None:
    for pod in pods("examples/lean"):
        mounts = [each for each in pod.container["volumeMounts"] if each["mountPath"] == FEED_DATA]
        volumes = [each for each in pod.spec["volumes"] if "persistentVolumeClaim" in each]
        reads = pod.service == "market-data" and pod.args != ("serve",)
        assert ("HUB_FEED_DATA" in pod.environment) == bool(mounts) == bool(volumes) == reads, pod.name
        for mount, volume in zip(mounts, volumes, strict=True):
            assert pod.environment["HUB_FEED_DATA"] == FEED_DATA
            assert mount == {"name": volume["name"], "mountPath": FEED_DATA, "readOnly": True}
            assert volume["persistentVolumeClaim"] == {"claimName": "feed-data", "readOnly": True}


def secrets(folder: Path) -> dict[str, set[str]]:
    """What k8s/secrets.sh makes, by name."""
    for name in ("secrets", "certificates"):
        (folder / name).mkdir()
    for name in ("auth", "market_data", "order", "position", "portfolio"):
        (folder / "secrets" / f"hub_{name}").write_text("x")
        (folder / "secrets" / f"hub_{name}_owner").write_text("x")
    for name in ("signing", "admin", "amqp", "redis", "alpaca"):
        (folder / "secrets" / name).write_text("x")
    for name in SERVICES:
        (folder / "certificates" / f"{name}.pem").write_text("x")
        (folder / "certificates" / f"{name}.key").write_text("x")
    (folder / "certificates/ca.pem").write_text("x")
    found = script(folder)
    assert found.returncode == 0, found.stderr
    documents = [document for document in yaml.safe_load_all(found.stdout) if document]
    return {document["metadata"]["name"]: set(document["data"]) for document in documents}


def script(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [K8S / "secrets.sh", folder, "hub"],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": f"{KUBECTL.parent}:/usr/bin:/bin"},
    )


def test_the_secret_of_a_feed_that_is_not_used_is_not_missed(tmp_path: Path) -> None:
    assert "alpaca" in secrets(tmp_path)
    (tmp_path / "secrets/alpaca").unlink()
    found = script(tmp_path)
    assert found.returncode == 0
    assert "name: alpaca" not in found.stdout


def test_a_secret_whose_file_is_missing_is_named_and_nothing_is_made_of_it(tmp_path: Path) -> None:
    secrets(tmp_path)
    (tmp_path / "secrets/signing").unlink()
    found = script(tmp_path)
    assert found.returncode == 1
    assert f"there is no {tmp_path}/secrets/signing" in found.stderr


def test_ports_and_probes_are_those_the_process_is_told_to_use(overlay: str) -> None:
    for pod in pods(overlay):
        ports = {port["name"]: port["containerPort"] for port in pod.container.get("ports", [])}
        if pod.args == ("migrate",):
            assert ports == {}
            continue
        assert pod.environment["HUB_ADMIN_ADDRESS"] == f"0.0.0.0:{ports['admin']}"
        if "grpc" in ports:
            assert pod.environment["HUB_GRPC_ADDRESS"] == f"0.0.0.0:{ports['grpc']}"
        if "http" in ports:
            assert pod.environment["HUB_HTTP_ADDRESS"] == f"0.0.0.0:{ports['http']}"
        probes = {kind: pod.container[kind]["httpGet"] for kind in ("livenessProbe", "readinessProbe")}
        assert probes["livenessProbe"] == {"path": "/livez", "port": "admin"}
        assert probes["readinessProbe"] == {"path": "/readyz", "port": "admin"}


def test_the_write_ahead_log_of_postgres_leaves_room_in_its_volume() -> None:
    [postgres] = [
        each for each in of_kind("overlays/dev", "StatefulSet") if each["metadata"]["name"] == "postgres"
    ]
    [container] = postgres["spec"]["template"]["spec"]["containers"]
    [claim] = postgres["spec"]["volumeClaimTemplates"]
    given = options(container["args"])
    size = claim["spec"]["resources"]["requests"]["storage"]
    assert megabytes(given["max_wal_size"]) * 2 <= int(size.removesuffix("Gi")) * 1024
    assert megabytes(given["shared_buffers"]) >= 256
    assert not given.keys() & {"fsync", "synchronous_commit", "full_page_writes"}


def test_every_target_is_a_service_that_has_ready_pods_behind_it(overlay: str) -> None:
    found = {document["metadata"]["name"]: document["spec"] for document in of_kind(overlay, "Service")}
    labels = [
        document["spec"]["template"]["metadata"]["labels"] for document in of_kind(overlay, "Deployment")
    ]
    for pod in pods(overlay):
        for variable, target in pod.environment.items():
            if variable.endswith("_TARGET"):
                name, port = target.removeprefix("dns:///").split(":")
                assert int(port) in {each["port"] for each in found[name]["ports"]}, variable
                assert found[name]["clusterIP"] == "None", f"{name}: clients balance over its pods"
                assert any(found[name]["selector"].items() <= each.items() for each in labels), name


def test_no_pod_may_do_more_than_it_needs(overlay: str) -> None:
    for pod in pods(overlay):
        context = pod.container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert pod.spec["securityContext"]["runAsNonRoot"] is True
        assert pod.spec["automountServiceAccountToken"] is False
        assert "memory" in pod.container["resources"]["limits"]


def test_a_migration_runs_as_the_owner_and_a_service_never_does(overlay: str) -> None:
    for pod in pods(overlay):
        if (
            "HUB_DATABASE_URL" not in pod.environment
            or "HUB_DATABASE_URL" not in service(pod.service).variables
        ):
            continue
        owner = "_owner@" in pod.environment["HUB_DATABASE_URL"]
        secret = {
            volume["name"]: volume.get("secret", {}).get("secretName") for volume in pod.spec["volumes"]
        }
        assert owner == (pod.args == ("migrate",)), pod.name
        assert secret["database"].endswith("-owner") == owner, pod.name


def test_network_policies_let_in_exactly_the_callers_of_the_call_graph() -> None:
    fences = {
        document["metadata"]["name"]: document["spec"]
        for document in of_kind("overlays/prod", "NetworkPolicy")
    }
    for name in SERVICES[:-1]:
        [rule] = fences[name]["ingress"]
        [peer] = rule["from"]
        [expression] = peer["podSelector"]["matchExpressions"]
        target = f"HUB_{name.replace('-', '_').upper()}_TARGET"
        callers = {each for each in SERVICES if target in service(each).variables}
        if "HUB_FEED_TARGET" in service(name).variables:
            callers.add(name)  # replicas without a feed follow the one that has it
        assert set(expression["values"]) == callers, name


@pytest.mark.parametrize("place", ["k8s/overlays/dev/roles.sh", "k8s/secrets.sh", "deploy/README.md"])
def test_no_database_is_forgotten_where_all_are_worked_through(place: str) -> None:
    packages = [each.package for each in LAYOUT.values() if each.database]
    listed = re.findall(r"hub_auth(?: hub_\w+)+", (ROOT / place).read_text())
    assert [sorted(each.split()) for each in listed] == [sorted(packages)]
