"""What docker-compose.yml names exists in the code, and what the code needs is given."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from hub_local import compose
from hub_local.layout import SERVICES
from hub_runtime import AmqpSettings, DatabaseSettings, RedisSettings, load
from tests.deploy.code import megabytes, options, service

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / ".venv/manifests"
SERVERS = {"postgres": 5432, "redis": 6379, "rabbitmq": 5671}
STORES = {"database": DatabaseSettings, "amqp": AmqpSettings, "redis": RedisSettings}
OURS = [*SERVICES, *(f"migrate-{each.name}" for each in SERVICES.values() if each.database)]
FILES = "/run/hub/"


def read(environment: Mapping[str, str], *more: str) -> subprocess.CompletedProcess[str]:
    """As compose reads it, with `more` files beside it, whatever this checkout's .env and the caller's
    variables say."""
    # The program itself: what the package puts into bin/ hides its exit code.
    [program] = MANIFESTS.glob("lib/python3*/site-packages/compose/docker-compose")
    command: list[str | Path] = [program, "--env-file", "/dev/null"]
    for name in ("docker-compose.yml", *more):
        command += ["--file", ROOT / name]
    return subprocess.run(
        [*command, "config", "--format", "json"],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", **environment},
        timeout=60,
    )


@cache
def project() -> dict[str, Any]:
    found = read({"SECRETS_FOLDER": "/somewhere"})
    assert found.returncode == 0, found.stderr
    read_back: dict[str, Any] = json.loads(found.stdout)
    return read_back


@dataclass(frozen=True)
class Container:
    """One entry of `services:`."""

    name: str
    spec: dict[str, Any]

    @property
    def service(self) -> str:
        """The part of the platform whose code it runs."""
        return self.name.removeprefix("migrate-")

    @property
    def migrates(self) -> bool:
        return self.name.startswith("migrate-")

    @property
    def environment(self) -> dict[str, str]:
        return dict(self.spec["environment"])

    @property
    def secrets(self) -> dict[str, str]:
        """The secret at each path inside."""
        return {secret["target"]: secret["source"] for secret in self.spec["secrets"]}


def containers() -> Iterator[Container]:
    for name, spec in project()["services"].items():
        yield Container(name, spec)


def ours() -> list[Container]:
    return [container for container in containers() if container.name not in SERVERS]


@pytest.fixture
def container(request: pytest.FixtureRequest) -> Container:
    return Container(request.param, project()["services"][request.param])


every_container = pytest.mark.parametrize("container", [*OURS, *SERVERS], indirect=True)
every_container_of_ours = pytest.mark.parametrize("container", OURS, indirect=True)


def test_every_service_runs_once_with_all_its_jobs_and_every_database_is_migrated() -> None:
    assert {container.name for container in containers()} == {*OURS, *SERVERS}
    for container in ours():
        assert container.spec["command"] == (["migrate"] if container.migrates else None), container.name


@every_container_of_ours
def test_its_image_is_built_from_the_package_of_its_service(container: Container) -> None:
    build = container.spec["build"]
    package = Path(build["context"]) / build["args"]["PACKAGE"]
    assert (Path(build["context"]) / build["dockerfile"]).is_file()
    assert (package / SERVICES[container.service].package / "__main__.py").is_file()
    assert f'name = "hub-{container.service}"' in (package / "pyproject.toml").read_text()
    assert container.spec["image"] == f"hub-{container.service}:dev"


@every_container_of_ours
def test_its_code_reads_every_variable_and_finds_all_that_it_needs(
    container: Container, tmp_path: Path
) -> None:
    code = service(container.service)
    assert set(container.environment) - set(code.variables) == set()
    settings = load(code.settings, here(container, tmp_path))
    for name, kind in STORES.items():
        if isinstance(settings, kind):
            assert getattr(settings, f"{name}_ca_file") is not None, f"{name} is used without TLS"


def here(container: Container, folder: Path) -> dict[str, str]:
    """The container's environment, its files as `make compose-secrets` makes them on this machine."""
    compose.make(folder)
    place = {path: str(file_of(secret, folder)) for path, secret in container.secrets.items()}
    return {name: place.get(value, value) for name, value in container.environment.items()}


def file_of(secret: str, folder: Path) -> Path:
    file = Path(project()["secrets"][secret]["file"])
    return folder / file.relative_to("/somewhere")


@every_container_of_ours
def test_it_is_given_the_files_that_its_variables_name_and_no_others(container: Container) -> None:
    named = {value for value in container.environment.values() if value.startswith(FILES)}
    assert named == set(container.secrets)


@every_container_of_ours
def test_its_certificate_is_its_own(container: Container) -> None:
    secrets = container.secrets
    assert secrets[container.environment["HUB_TLS_CERT"]] == f"{container.service}-certificate"
    assert secrets[container.environment["HUB_TLS_KEY"]] == f"{container.service}-key"
    assert secrets[container.environment["HUB_TLS_CA"]] == "ca"


@every_container_of_ours
def test_every_target_is_a_service_that_serves_there(container: Container) -> None:
    peers = {name for name in container.environment if name.endswith("_TARGET")}
    assert peers == {
        f"HUB_{peer.replace('-', '_').upper()}_TARGET" for peer in SERVICES[container.service].peers
    }
    for variable in peers:
        name, port = container.environment[variable].removeprefix("dns:///").split(":")
        peer = project()["services"][name]
        assert peer["environment"]["HUB_GRPC_ADDRESS"] == f"0.0.0.0:{port}", variable
        assert set(peer["networks"]) & set(container.spec["networks"]), variable


@every_container_of_ours
def test_every_url_is_a_server_that_serves_there(container: Container) -> None:
    urls = {name: urlsplit(url) for name, url in container.environment.items() if name.endswith("_URL")}
    hosts = {"HUB_DATABASE_URL": "postgres", "HUB_REDIS_URL": "redis", "HUB_AMQP_URL": "rabbitmq"}
    for name, url in urls.items():
        assert url.hostname == hosts[name]
        assert url.port == SERVERS[hosts[name]]
        assert url.password is None, "a password has no place where everybody can read it"
    assert ("HUB_DATABASE_URL" in urls) == SERVICES[container.service].database


@every_container_of_ours
def test_only_a_migration_is_the_owner_of_a_database(container: Container) -> None:
    if not SERVICES[container.service].database:
        return
    package = SERVICES[container.service].package
    role = f"{package}_owner" if container.migrates else package
    url = urlsplit(container.environment["HUB_DATABASE_URL"])
    assert (url.username, url.path) == (role, f"/{package}")
    assert container.secrets[container.environment["HUB_DATABASE_PASSWORD_FILE"]] == role


def test_postgres_is_given_the_password_of_every_role_that_it_makes() -> None:
    postgres = Container("postgres", project()["services"]["postgres"])
    roles = {
        name
        for each in SERVICES.values()
        if each.database
        for name in (each.package, f"{each.package}_owner")
    }
    passwords = {path: name for path, name in postgres.secrets.items() if "/passwords/" in path}
    assert passwords == {f"/run/hub/passwords/{name}": name for name in (*roles, "postgres")}


def test_servers_answer_where_they_are_looked_for_and_only_over_tls() -> None:
    services = project()["services"]
    assert "ssl=on" in services["postgres"]["command"]
    [hba] = [each for each in services["postgres"]["volumes"] if each["target"].endswith("pg_hba.conf")]
    assert f"hba_file={hba['target']}" in services["postgres"]["command"]
    rules = [
        line.split() for line in Path(hba["source"]).read_text().splitlines() if line[:1] not in ("", "#")
    ]
    assert {rule[0] for rule in rules} == {"local", "hostssl"}
    assert {rule[-1] for rule in rules} == {"peer", "scram-sha-256"}
    [redis] = [part for part in services["redis"]["entrypoint"] if "redis-server" in part]
    assert f"--port 0 --tls-port {SERVERS['redis']} " in redis
    [conf] = [
        each["source"] for each in services["rabbitmq"]["volumes"] if each["target"].endswith("hub.conf")
    ]
    lines = Path(conf).read_text().splitlines()
    assert "listeners.tcp = none" in lines
    assert f"listeners.ssl.default = {SERVERS['rabbitmq']}" in lines


def test_postgres_has_room_within_its_limit_and_loses_nothing() -> None:
    postgres = project()["services"]["postgres"]
    given = options(postgres["command"])
    assert 0.2 <= megabytes(given["shared_buffers"]) * 2**20 / int(postgres["mem_limit"]) <= 0.4
    assert megabytes(given["max_wal_size"]) >= 2048, "checkpoints come by time"
    assert not given.keys() & {"fsync", "synchronous_commit", "full_page_writes"}


def test_every_secret_is_a_file_that_is_made_and_every_file_is_given_to_somebody(tmp_path: Path) -> None:
    assert {file_of(name, tmp_path) for name in project()["secrets"]} == set(compose.missing(tmp_path))
    compose.make(tmp_path)
    assert compose.missing(tmp_path) == []
    given = {secret for container in containers() for secret in container.secrets.values()}
    assert given == set(project()["secrets"])


def test_without_secrets_it_does_not_start_and_says_what_makes_them() -> None:
    found = read({})
    assert found.returncode != 0
    assert 'run "make compose-secrets" first' in found.stderr
    assert re.search(r"^compose-secrets:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_only_the_gateway_can_be_reached_and_only_from_this_machine() -> None:
    open_to = {
        container.name: container.spec["ports"] for container in containers() if "ports" in container.spec
    }
    [port] = open_to.pop("gateway")
    assert open_to == {}
    assert (port["host_ip"], port["published"]) == ("127.0.0.1", "8080")
    gateway = project()["services"]["gateway"]
    assert gateway["environment"]["HUB_HTTP_ADDRESS"] == f"0.0.0.0:{port['target']}"
    for container in containers():
        networks = {project()["networks"][name].get("internal", False) for name in container.spec["networks"]}
        assert (False in networks) == (container.name == "gateway"), container.name


def test_the_gateways_port_can_be_chosen() -> None:
    found = read({"SECRETS_FOLDER": "/somewhere", "GATEWAY_PORT": "9191"})
    [port] = json.loads(found.stdout)["services"]["gateway"]["ports"]
    assert port["published"] == "9191"


@every_container
def test_it_may_do_no_more_than_it_needs(container: Container) -> None:
    assert container.spec["read_only"] is True
    assert container.spec["cap_drop"] == ["ALL"]
    assert "cap_add" not in container.spec
    assert not container.spec.get("privileged")
    assert container.spec["security_opt"] == ["no-new-privileges:true"]
    assert int(container.spec["mem_limit"]) > 0
    assert container.spec["pids_limit"] > 0
    assert container.spec["restart"] == ("no" if container.migrates else "unless-stopped")
    if container.name in SERVERS:
        assert container.spec["user"] == container.name
    else:
        assert "user" not in container.spec, "the image's own, which is not root"


def test_the_image_runs_as_a_user_by_number_that_is_not_root() -> None:
    stages = re.split(r"(?m)^FROM ", (ROOT / "deploy/Dockerfile").read_text())
    assert re.findall(r"(?m)^USER (\d+):(\d+)$", stages[-1]) == [("10001", "10001")]


def test_the_image_has_a_python_that_all_tests_were_run_on() -> None:
    [version] = re.findall(r"(?m)^ARG PYTHON=(\S+)$", (ROOT / "deploy/Dockerfile").read_text())
    readme = (ROOT / "README.md").read_text()
    assert re.search(
        rf"All of them pass on Python [\d., ]*{re.escape(version)} \(which the images have\)", readme
    )


def test_whoever_keeps_data_keeps_it_in_a_named_volume() -> None:
    kept = {
        container.name: {
            each["target"] for each in container.spec.get("volumes", []) if each["type"] == "volume"
        }
        for container in containers()
    }
    assert {name: places for name, places in kept.items() if places} == {
        "postgres": {"/var/lib/postgresql/data"},
        "rabbitmq": {"/var/lib/rabbitmq"},
    }
    assert set(project()["volumes"]) == {"postgres", "rabbitmq"}


def test_a_service_is_healthy_when_its_own_admin_endpoint_says_that_it_is_ready() -> None:
    for container in ours():
        check = container.spec["healthcheck"]
        if container.migrates:
            assert check["disable"] is True
            continue
        assert container.environment["HUB_ADMIN_ADDRESS"] == "0.0.0.0:9090"
        *_, script, path = check["test"]
        assert path == "/readyz"
        assert (
            f"hub_runtime/{Path(script).name} {Path(script).parent}/"
            in (ROOT / "deploy/Dockerfile").read_text()
        )
    assert all("healthcheck" in project()["services"][name] for name in SERVERS)


def test_nothing_waits_for_what_never_comes() -> None:
    for container in containers():
        for name, wait in container.spec.get("depends_on", {}).items():
            ends = name.startswith("migrate-")
            expected = "service_completed_successfully" if ends else "service_healthy"
            assert wait["condition"] == expected, f"{container.name} waits for {name}"
    for name, each in SERVICES.items():
        if each.database:
            waits = project()["services"][name]["depends_on"]
            assert f"migrate-{name}" in waits, "code never meets a schema that is behind"
    assert set(project()["services"]["gateway"]["depends_on"]) >= set(SERVICES) - {"gateway"}
