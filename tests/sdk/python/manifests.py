"""Holds Kubernetes manifests to the API's schemas and to what is promised about them.

    python manifests.py FOLDER

Reads what the folder's kustomization.yaml names, as `kubectl apply -k` would. Prints one
JSON object: `problems`, a list of sentences (exit code 1 when there are any), and
`containers`, what each container runs:

    {"name": …, "args": […], "ports": {"http": 7070}, "files": {"/etc/sonde/sonde.yaml": "…"}}
"""

import json
import pathlib
import sys

import kubernetes_validate
import yaml

# The oldest version that is still supported upstream, and the newest whose schema is at hand.
VERSIONS = ("1.34", kubernetes_validate.latest_version())
# Why a container may run as root, by its name. Whoever is not here may not.
ROOT = {"agent": "log files belong to root and are closed to others on some nodes"}


class UniqueKeys(yaml.SafeLoader):
    """A key that is written twice is a mistake, whichever of the two would win."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.YAMLError(f"{node.start_mark}: {', '.join(sorted(twice))} is written twice")
        return super().construct_mapping(node, deep)


def documents(folder):
    kustomization = yaml.load((folder / "kustomization.yaml").read_text(), UniqueKeys)
    unknown = set(kustomization) - {"apiVersion", "kind", "resources"}
    if unknown:
        raise SystemExit(f"kustomization.yaml: {unknown} is not understood here: extend this script")
    named = kustomization["resources"]
    beside = {file.name for file in folder.glob("*.yaml")} - {"kustomization.yaml"}
    if beside != set(named):
        raise SystemExit(f"kustomization.yaml names {sorted(named)}, the folder has {sorted(beside)}")
    for name in named:
        for document in yaml.load_all((folder / name).read_text(), UniqueKeys):
            yield document


def label(document):
    meta = document["metadata"]
    return f"{document['kind']} {meta.get('namespace', '')}/{meta['name']}"


def against_schema(document):
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            where = ".".join(str(part) for part in error.path)
            yield f"{label(document)}: Kubernetes {version}: {where}: {error.message}"
        except Exception as error:  # a kind or version without a schema
            yield f"{label(document)}: Kubernetes {version}: {error}"


def roles(document):
    if document["kind"] not in ("Role", "ClusterRole"):
        return
    for rule in document.get("rules") or []:
        for field, values in rule.items():
            if "*" in values:
                yield f"{label(document)}: {field} is a wildcard"
        if "secrets" in rule.get("resources", []):
            yield f"{label(document)}: it may read secrets"


def selectors(document, everything):
    """What selects pods selects some; what a pod names is there."""
    spec = document.get("spec") or {}
    namespace = document["metadata"].get("namespace")
    pods = [d["spec"]["template"]["metadata"]["labels"] for d in everything
            if "template" in (d.get("spec") or {}) and d["metadata"].get("namespace") == namespace]
    selector = spec.get("selector")
    if document["kind"] == "Service":
        if not any(selector.items() <= labels.items() for labels in pods):
            yield f"{label(document)}: it selects no pod"
        ports = {port.get("name") for d in everything if "template" in (d.get("spec") or {})
                 and selector.items() <= d["spec"]["template"]["metadata"]["labels"].items()
                 for container in d["spec"]["template"]["spec"]["containers"]
                 for port in container.get("ports", [])}
        for port in spec["ports"]:
            if port["targetPort"] not in ports:
                yield f"{label(document)}: no container has the port {port['targetPort']}"
    elif "template" in spec:
        if not selector["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items():
            yield f"{label(document)}: it does not select its own pods"
    namespaces = {d["metadata"]["name"] for d in everything if d["kind"] == "Namespace"}
    if namespace is not None and namespace not in namespaces:
        yield f"{label(document)}: nothing creates the namespace {namespace}"


def account(document, pod, everything):
    """A pod gets a token only when a role is bound to its account."""
    name = pod.get("serviceAccountName")
    there = [d for d in everything if d["kind"] == "ServiceAccount"
             and d["metadata"]["name"] == name
             and d["metadata"].get("namespace") == document["metadata"].get("namespace")]
    if not there:
        yield f"{label(document)}: the account {name} does not exist: it would run as `default`"
    bound = any(subject.get("name") == name for d in everything if d["kind"].endswith("RoleBinding")
                for subject in d.get("subjects", []))
    if not bound and pod.get("automountServiceAccountToken") is not False:
        yield f"{label(document)}: it gets a token for an account that may do nothing"


def security(document, pod, container):
    name = f"{label(document)}: container {container['name']}"
    both = {**pod.get("securityContext", {}), **container.get("securityContext", {})}
    if both.get("runAsNonRoot") is not True and container["name"] not in ROOT:
        yield f"{name}: it may run as root"
    if both.get("runAsNonRoot") is True and both.get("runAsUser") == 0:
        yield f"{name}: it must not and must run as root"
    if both.get("readOnlyRootFilesystem") is not True:
        yield f"{name}: it may write to its image"
    if both.get("allowPrivilegeEscalation") is not False or both.get("privileged"):
        yield f"{name}: it may gain privileges"
    capabilities = both.get("capabilities", {})
    if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
        yield f"{name}: it has capabilities"
    if both.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield f"{name}: every system call is open to it"
    for kind in ("requests", "limits"):
        if "memory" not in container.get("resources", {}).get(kind, {}):
            yield f"{name}: no {kind}.memory"
    if "cpu" not in container.get("resources", {}).get("requests", {}):
        yield f"{name}: no requests.cpu"
    image = container["image"]
    if ":" not in image or image.endswith(":latest"):
        yield f"{name}: the image {image} names no version"


def probes(document, container):
    name = f"{label(document)}: container {container['name']}"
    ports = {port.get("name") for port in container.get("ports", [])}
    for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        get = container.get(probe, {}).get("httpGet", {})
        if get.get("path") != path:
            yield f"{name}: {probe} does not ask {path}"
        if isinstance(get.get("port"), str) and get["port"] not in ports:
            yield f"{name}: {probe} asks the port {get['port']}, which it has not"


def mounts(document, pod, container, everything):
    name = f"{label(document)}: container {container['name']}"
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    volumes |= {claim["metadata"]["name"] for claim in document["spec"].get("volumeClaimTemplates", [])}
    mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
    for missing in sorted(mounted - volumes):
        yield f"{name}: it mounts the volume {missing}, which does not exist"
    for unused in sorted(volumes - mounted):
        yield f"{label(document)}: nothing mounts the volume {unused}"
    maps = {d["metadata"]["name"] for d in everything if d["kind"] == "ConfigMap"
            and d["metadata"].get("namespace") == document["metadata"].get("namespace")}
    for volume in pod.get("volumes", []):
        if "configMap" in volume and volume["configMap"]["name"] not in maps:
            yield f"{label(document)}: there is no config map {volume['configMap']['name']}"
    host = {volume["name"] for volume in pod.get("volumes", []) if "hostPath" in volume}
    for mount in container.get("volumeMounts", []):
        if mount["name"] in host and mount["name"] != "data" and mount.get("readOnly") is not True:
            yield f"{name}: it may write to the node at {mount['mountPath']}"


def files(document, pod, container, everything):
    """The files that config maps put into a container."""
    volumes = {v["name"]: v["configMap"]["name"] for v in pod.get("volumes", []) if "configMap" in v}
    maps = {d["metadata"]["name"]: d["data"] for d in everything if d["kind"] == "ConfigMap"
            and d["metadata"].get("namespace") == document["metadata"].get("namespace")}
    return {f"{mount['mountPath']}/{file}": text
            for mount in container.get("volumeMounts", []) if mount["name"] in volumes
            for file, text in maps.get(volumes[mount["name"]], {}).items()}


def main():
    everything = list(documents(pathlib.Path(sys.argv[1])))
    problems, containers = [], []
    for document in everything:
        problems += against_schema(document)
        problems += roles(document)
        problems += selectors(document, everything)
        pod = (document.get("spec") or {}).get("template", {}).get("spec")
        if pod is None:
            continue
        problems += account(document, pod, everything)
        for container in pod["containers"] + pod.get("initContainers", []):
            problems += security(document, pod, container)
            problems += probes(document, container)
            problems += mounts(document, pod, container, everything)
            asked = [container.get(f"{kind}Probe", {}).get("httpGet", {}).get("port") for kind in ("liveness", "readiness")]
            containers.append({
                "name": container["name"],
                "args": container.get("args", []),
                "ports": {p["name"]: p["containerPort"] for p in container.get("ports", [])},
                "probe_ports": sorted({str(port) for port in asked}),
                "files": files(document, pod, container, everything),
            })
    print(json.dumps({"problems": problems, "containers": containers}))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
