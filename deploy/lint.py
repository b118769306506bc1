"""Checks the deployment files beyond their syntax: what they must hold to be safe to start."""

import pathlib
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent
faults = []


def expect(holds, sentence):
    if not holds:
        faults.append(sentence)


def check_compose():
    text = (ROOT / "compose.yaml").read_text()
    services = yaml.safe_load(text)["services"]
    gateway = services["lockkeeper"]
    expect("ports" in gateway, "compose: the gateway publishes no port")
    expect("ports" not in services["postgres"], "compose: Postgres must be reached through the gateway only")
    for port in gateway["ports"]:
        expect(str(port).startswith("127.0.0.1:"), f"compose: port {port} is open to other machines")


def check_pod(name, pod):
    expect(pod["securityContext"]["runAsNonRoot"] is True, f"{name}: may run as root")
    for container in pod["containers"]:
        context = container["securityContext"]
        expect(context["allowPrivilegeEscalation"] is False, f"{name}: may gain privileges")
        expect(context["readOnlyRootFilesystem"] is True, f"{name}: root file system is writable")
        for key in ("livenessProbe", "readinessProbe", "resources"):
            expect(key in container, f"{name}: no {key}")
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        known = {volume["name"] for volume in pod["volumes"]} | {"data"}
        expect(mounted <= known, f"{name}: mounts {mounted - known}, which is no volume")


def check_kubernetes():
    kinds = []
    for path in sorted((ROOT / "kubernetes").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            for key in ("apiVersion", "kind", "metadata"):
                expect(key in document, f"{path.name}: a document without {key}")
            kinds.append(document["kind"])
            if document["kind"] == "StatefulSet":
                check_pod(path.name, document["spec"]["template"]["spec"])
    for kind in ("StatefulSet", "Service", "ConfigMap"):
        expect(kind in kinds, f"kubernetes: no {kind}")


def check_dockerfile():
    lines = [line.split() for line in (ROOT.parent / "Dockerfile").read_text().splitlines() if line.strip()]
    words = [line[0] for line in lines]
    expect(words.count("FROM") == 2, "Dockerfile: not two stages")
    users = [line[1] for line in lines if line[0] == "USER"]
    expect(bool(users) and users[-1] not in ("root", "0"), "Dockerfile: the last stage runs as root")
    expect("HEALTHCHECK" in words, "Dockerfile: no HEALTHCHECK")


check_compose()
check_kubernetes()
check_dockerfile()
for fault in faults:
    print(fault)
if faults:
    sys.exit(1)
print("compose file, Kubernetes files, Dockerfile: read")
