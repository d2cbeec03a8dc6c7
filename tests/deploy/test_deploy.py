"""Every file under deploy/ is checked by the tool that knows its kind, and against the program it deploys."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import aiohttp
import chart
import jsonschema
import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner

from stream_app.cli import cli
from stream_app.dashboard.app import Desk, build_app
from stream_app.incidents.health import Health
from stream_app.notify.health import Health as NotifyHealth
from stream_app.settings import (
    DashboardSettings,
    IncidentSettings,
    NotifySettings,
    Settings,
    TopicSettings,
    WorkerSettings,
)
from stream_app.worker.admin import Admin
from stream_app.worker.metrics import Metrics
from stream_app.worker.service import CLOSING_S

DEPLOY = Path(__file__).parents[2] / "deploy"
MANIFESTS = [
    manifest
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for manifest in yaml.safe_load_all(path.read_text())
]
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def run(*command: str, cwd: Path = DEPLOY) -> str:
    """Run a tool of this environment; its output is the failure's message."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def of_kind(kind: str) -> list[dict]:
    return [manifest for manifest in MANIFESTS if manifest["kind"] == kind]


def pods() -> list[dict]:
    return [manifest["spec"]["template"]["spec"] for manifest in of_kind("StatefulSet") + of_kind("Deployment")]


def test_dockerfile():
    run(tool("hadolint"), "Dockerfile")


def test_dockerfile_offers_both_images_and_runs_as_nobody():
    text = (DEPLOY / "Dockerfile").read_text()
    assert {"cpu", "gpu"} <= set(re.findall(r"^FROM \S+ AS (\S+)$", text, re.MULTILINE))
    assert "\nUSER 10001:10001\n" in text
    assert "requirements.lock" in text


def test_compose():
    run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "compose.yaml")


def test_compose_publishes_on_loopback_only_and_locks_containers_down():
    for name, service in COMPOSE["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        if service["image"].startswith("crisis-stream"):
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]


def test_compose_replicas_have_names_of_their_own():
    names = [
        service["environment"]["CRISIS_STREAM_WORKER__REPLICA"]
        for service in COMPOSE["services"].values()
        if service.get("command") == ["worker"]
    ]
    assert len(names) == len(set(names)) == 2


def test_kubernetes():
    out = run(tool("kubernetes-validate"), "--strict", *map(str, sorted((DEPLOY / "kubernetes").glob("*.yaml"))))
    assert re.findall("find schema for kind (\\w+)", out) == ["ScaledObject"]


def test_keda():
    schema = json.loads((Path(__file__).parent / "keda-scaledobject.schema.json").read_text())
    (scaled,) = of_kind("ScaledObject")
    jsonschema.validate(scaled, schema)
    target = scaled["spec"]["scaleTargetRef"]
    assert any(m["kind"] == target["kind"] and m["metadata"]["name"] == target["name"] for m in MANIFESTS)
    (trigger,) = scaled["spec"]["triggers"]
    (config,) = of_kind("ConfigMap")
    assert trigger["metadata"]["topic"] == TopicSettings().posts
    assert trigger["metadata"]["consumerGroup"] == WorkerSettings().group_id
    assert (
        trigger["metadata"]["limitToPartitionsWithLag"] == trigger["metadata"]["scaleToZeroOnInvalidOffset"] == "true"
    )
    behavior = scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    for direction in ("scaleUp", "scaleDown"):
        assert behavior[direction]["stabilizationWindowSeconds"] >= 60
        assert all(policy["periodSeconds"] >= 60 for policy in behavior[direction]["policies"]), "no flapping"
    assert scaled["spec"]["maxReplicaCount"] <= int(config["data"]["CRISIS_STREAM_KAFKA__PARTITIONS"])


CHOICES = {
    "as it comes": [],
    "of a GPU, by digest, with an ingress": [
        "--set=image.digest=sha256:" + "0" * 64,
        "--set-string=worker.resources.limits.nvidia\\.com/gpu=1",
        "--set=dashboard.ingress.enabled=true,dashboard.ingress.host=desk.example.org,dashboard.ingress.tlsSecret=tls",
        "--set=worker.nodeSelector.gpu=yes,imagePullSecrets[0].name=pull",
    ],
    "scaled": ["--set=scaling.enabled=true,scaling.authenticationRef=kafka,settings.TOPICS__PREFIX=test."],
    "workers alone": ["--set=incidents.enabled=false,dashboard.enabled=false,networkPolicy.enabled=false"],
}


@pytest.fixture
def helm() -> str:
    return chart.found("helm") or pytest.skip("no helm here: `make helm` builds it where Go is")


def test_chart_lints(helm):
    run(helm, "lint", "--strict", str(chart.CHART))
    run(helm, "lint", "--strict", str(chart.CHART), "--values", "helm/manifests.yaml")


def test_manifests_are_the_chart_with_everything_on(helm):
    kept = {path.name: path.read_text() for path in (DEPLOY / "kubernetes").glob("*.yaml")}
    del kept["namespace.yaml"]
    assert chart.manifests() == kept, "run `make manifests`"


def schemas(folder: Path, made: list[dict]) -> list[str]:
    """kubeconform's options for Kubernetes' own schemas of ``made`` and for ours of KEDA.

    Of the definitions only those in use are kept, where kubeconform can find them: it reads them again for each kind.
    """
    kept = Path(kubernetes_validate.__file__).parent / f"kubernetes-json-schema/v{chart.KUBERNETES}-local-strict"
    every, used = json.loads((kept / "_definitions.json").read_text())["$defs"], {}
    for kind in {each["kind"].lower() for each in made}:
        for path in kept.glob(f"{kind}-*.json"):
            schema = json.loads(path.read_text().replace("/api/_definitions.json", "_definitions.json"))
            (folder / path.name).write_text(json.dumps({**schema, "$id": ""}))
            wanted = re.findall(r"/\$defs/([\w.-]+)", json.dumps(schema))
            while wanted:
                if (name := wanted.pop()) not in used:
                    used[name] = every[name]
                    wanted += re.findall(r"/\$defs/([\w.-]+)", json.dumps(every[name]))
    (folder / "_definitions.json").write_text(json.dumps({"$defs": used}))
    ours = str(Path(__file__).parent / "keda-{{.ResourceKind}}.schema.json")
    return ["-schema-location", f"{folder}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", "-schema-location", ours]


def test_charts_give_what_kubernetes_takes(helm, tmp_path):
    checker = chart.found("kubeconform") or pytest.skip("no kubeconform here: `make helm` builds it where Go is")
    made = ["".join(chart.rendered(*choice, release="desk").values()) for choice in CHOICES.values()]
    for each in made:
        names = [manifest["metadata"]["name"] for manifest in yaml.safe_load_all(each) if manifest]
        assert names
        assert all(name.startswith("desk-crisis-stream") for name in names), "a second release may stand beside it"
    command = [checker, "-strict", *schemas(tmp_path, [m for m in yaml.safe_load_all("".join(made)) if m])]
    done = subprocess.run(command, input="".join(made), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    broken = made[0].replace("periodSeconds: 5", "periodSeconds: soon")
    done = subprocess.run(command, input=broken, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "periodSeconds" in done.stdout


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("settings.KAFKA__SASL_PASSWORD=hunter2", "KAFKA__SASL_PASSWORD"),
        ("worker.replica=3", "replica"),
        ("image.digest=latest", "digest"),
        ("notify.ports[0]=0", "ports"),
    ],
)
def test_values_that_are_wrong_are_refused(helm, wrong, said):
    with pytest.raises(subprocess.CalledProcessError) as refused:
        chart.rendered("--set", wrong)
    assert said in refused.value.stderr


def test_notify_reads_the_settings_of_its_own_folder():
    """It looks for crisis-stream.toml where it is started, so that is where the Secret and the bind mount must lie."""
    (pod,) = [pod for pod in pods() if pod["containers"][0]["name"] == "notify"]
    (container,) = pod["containers"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert "secret" in volumes[mounts[container["workingDir"]]]
    service = COMPOSE["services"]["notify"]
    assert service["volumes"][0]["target"] == f"{service['working_dir']}/{Settings.model_config['toml_file']}"


def test_pods_are_locked_down():
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]


def test_selectors_select():
    labels = {
        m["metadata"]["name"]: m["spec"]["template"]["metadata"]["labels"]
        for m in MANIFESTS
        if "template" in m.get("spec", {})
    }
    for service in of_kind("Service"):
        assert service["spec"]["selector"] == labels[service["metadata"]["name"]]
    for budget in of_kind("PodDisruptionBudget"):
        assert budget["spec"]["selector"]["matchLabels"] == labels[budget["metadata"]["name"]]


def test_what_kafka_does_not_answer_ends_before_it_is_killed():
    """A pod is killed after 30 s where it does not say, a container after 10."""
    (worker,) = of_kind("StatefulSet")
    ends_s = WorkerSettings().drain_timeout_s + CLOSING_S
    assert worker["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > ends_s
    ours = [each for each in COMPOSE["services"].values() if each["image"].startswith("crisis-stream")]
    assert len(ours) == 5
    assert all(int(each["stop_grace_period"].removesuffix("s")) > ends_s for each in ours)


def test_every_setting_that_is_named_exists(monkeypatch):
    named = {}
    for service in COMPOSE["services"].values():
        named |= service.get("environment") or {}
    named |= of_kind("ConfigMap")[0]["data"]
    envs = [env for pod in pods() for c in pod["containers"] for env in c["env"]]
    named |= {
        env["name"]: "1" if "resourceFieldRef" in env.get("valueFrom", {}) else env.get("value", "x") for env in envs
    }
    named |= dict(re.findall(r"(CRISIS_STREAM_\w+)=(\S+)", (DEPLOY / "Dockerfile").read_text()))
    for name, value in named.items():
        if name.startswith("CRISIS_STREAM_"):
            monkeypatch.setenv(name, str(value))
    Settings()  # an unknown name or a wrong value raises


@pytest.mark.parametrize(
    "arguments",
    [s["command"] for s in COMPOSE["services"].values() if s["image"].startswith("crisis-stream")]
    + [container["args"] for pod in pods() for container in pod["containers"]],
    ids=" ".join,
)
def test_every_command_that_is_run_exists(arguments):
    command, *options = arguments
    answer = CliRunner().invoke(cli, [command, *options, "--help"])
    assert answer.exit_code == 0, answer.output


def exported() -> dict[str, set[str]]:
    """Names of the series a worker exports, with the labels of each."""
    series = {"up": {"job", "instance"}}
    collectors = [each for told in (Metrics(), Health(), NotifyHealth()) for each in told.registry._collector_to_names]
    labels = {c._name: set(c._labelnames) for c in collectors}
    for family in (family for each in collectors for family in each.collect()):
        own = labels[family.name] | {"job", "instance"}
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        series |= {family.name + ending: own | ({"le"} if ending == "_bucket" else set()) for ending in endings}
    return series


def expressions() -> dict[str, str]:
    rules = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())
    found = {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}
    board = json.loads((DEPLOY / "grafana/crisis-stream.json").read_text())
    for panel in board["panels"]:
        for target in panel["targets"]:
            found[f"{panel['title']} {target['refId']}"] = target["expr"]
    return found


@pytest.mark.parametrize("name", expressions())
def test_queries_name_only_what_the_worker_exports(name):
    known = exported()
    expression = expressions()[name]
    used = re.findall(r"\b(crisis_stream_\w+|up)\b(?:\{([^}]*)\})?", expression)
    assert used
    for metric, matchers in used:
        assert metric in known
        assert set(re.findall(r"(\w+)\s*[!=]", matchers)) <= known[metric]
    grouped = {label.strip() for by in re.findall(r"by \(([^)]*)\)", expression) for label in by.split(",")}
    assert grouped <= set.union(*(known[metric] for metric, _ in used))


def test_the_manual_names_every_metric_and_no_other():
    manual = (DEPLOY.parent / "docs/operate.md").read_text()
    _, _, rest = manual.partition("| metric | labels |")
    rows = re.findall(r"^\| (`[^|]+) \|", rest.partition("\n\n")[0], re.MULTILINE)
    named = {f"crisis_stream_{name}" for row in rows for name in re.findall(r"`(\w+)`", row)}
    families = [each for told in (Metrics(), Health(), NotifyHealth()) for each in told.registry.collect()]
    assert named == {family.name + ("_total" if family.type == "counter" else "") for family in families}


class Well:
    """A replica that is ready."""

    unready = ill = staticmethod(lambda: None)

    def metrics_text(self):
        return Metrics().text({0: 0}, 0)


def health_addresses() -> set[tuple[str, int]]:
    """Path and port of each probe, health check and annotation."""
    found = set(re.findall(r"http://127.0.0.1:(\d+)(/\w+)", str(COMPOSE) + (DEPLOY / "Dockerfile").read_text()))
    asked = {(path, int(port)) for port, path in found}
    for pod in pods():
        for container in pod["containers"]:
            ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
            probes = [container[name]["httpGet"] for name in container if name.endswith("Probe")]
            asked |= {(probe["path"], ports[probe["port"]]) for probe in probes}
    return asked


async def test_probes_ask_what_the_program_answers():
    asked = health_addresses()
    own = {WorkerSettings().http_port, IncidentSettings().http_port, NotifySettings().http_port}
    assert {port for _, port in asked} == own | {DashboardSettings().port}
    admin = Admin(WorkerSettings(http_port=0), Well())
    await admin.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{admin.port}") as web:
            for path in {path for path, port in asked if port in own} | {"/metrics"}:
                async with web.get(path) as answer:
                    assert answer.status == 200, path
    finally:
        await admin.stop()
    desk = Desk(DashboardSettings(), *[None] * 8)
    served = {route.resource.canonical for route in build_app(desk).router.routes() if route.resource}
    assert {path for path, port in asked if port == DashboardSettings().port} <= served


def test_images_of_ours_have_one_tag_and_those_of_others_a_version():
    ours = {service["image"] for service in COMPOSE["services"].values() if service["image"].startswith("crisis")}
    ours |= {container["image"] for pod in pods() for container in pod["containers"]}
    assert ours == {"crisis-stream:cpu"}
    others = {service["image"] for service in COMPOSE["services"].values()} - ours
    assert all(re.search(r":v?\d+\.\d+\.\d+$", image) for image in others)
    manual = (DEPLOY.parent / "docs/deploy.md").read_text()
    assert all(f"`{image}`" in manual for image in others)


def test_grafana_panels_do_not_overlap():
    panels = json.loads((DEPLOY / "grafana/crisis-stream.json").read_text())["panels"]
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_every_alert_is_tested_for_silence_and_for_sound():
    rules = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())
    tests = yaml.safe_load((DEPLOY / "prometheus/alerts.test.yml").read_text())["tests"]
    seen = {(check["alertname"], bool(check["exp_alerts"])) for test in tests for check in test["alert_rule_test"]}
    for name in [rule["alert"] for group in rules["groups"] for rule in group["rules"]]:
        assert {(name, False), (name, True)} <= seen


@pytest.fixture
def promtool() -> str:
    """Prometheus' own checker."""
    found = shutil.which("promtool") or shutil.which("promtool", path=Path(sys.executable).parent)
    return found or pytest.skip("no promtool here: `make promtool` takes it from Debian's package")


def check_queries(promtool: str, queries: dict[str, str], folder: Path) -> None:
    rules = [{"record": f"panel:{i}", "expr": query} for i, query in enumerate(queries.values())]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    run(promtool, "check", "rules", "rules.yml", cwd=folder)


def test_grafana_queries_are_promql(promtool, tmp_path):
    check_queries(promtool, expressions(), tmp_path)
    with pytest.raises(AssertionError, match="parse error"):
        check_queries(promtool, {"broken": "sum(rate(crisis_stream_posts_total[1m])"}, tmp_path)


def test_prometheus_rules(promtool):
    run(promtool, "check", "config", "prometheus.yml", cwd=DEPLOY / "prometheus")
    run(promtool, "test", "rules", "alerts.test.yml", cwd=DEPLOY / "prometheus")
