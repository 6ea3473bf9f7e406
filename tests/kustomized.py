"""What `kubectl kustomize` makes of a directory, of the few features that our manifests keep to.

resources, namespace, images, replicas; patches by target, strategic (maps merge, lists with a key merge by
it, others are replaced) or JSON 6902 `replace`. Anything else is refused: nothing is judged that differs.
"""

import copy

import yaml

KNOWN = {"apiVersion", "kind", "namespace", "resources", "patches", "images", "replicas"}
MERGED_BY = {
    "containers": "name", "initContainers": "name", "env": "name", "volumes": "name",
    "volumeMounts": "mountPath", "ports": "containerPort", "topologySpreadConstraints": "topologyKey",
}  # fmt: skip
SCALED = ("Deployment", "StatefulSet")


def kustomized(directory):
    """Every document, in the order of the files."""
    said = _read(directory / "kustomization.yaml")
    assert said.keys() <= KNOWN, f"{directory}: tests render no {sorted(said.keys() - KNOWN)}"
    documents = [document for name in said["resources"] for document in _resource(directory / name)]
    for patch in said.get("patches", []):
        _patch(documents, patch["target"], _read(directory / patch["path"]))
    for document in documents:
        _transform(document, said)
    return documents


def _read(path):
    return yaml.load(path.read_text(), yaml.CSafeLoader)  # libyaml's: the other is ten times slower


def _resource(path):
    return kustomized(path) if path.is_dir() else list(yaml.load_all(path.read_text(), yaml.CSafeLoader))


def _patch(documents, target, change):
    assert target.keys() <= {"kind", "name", "labelSelector"}, target
    hit = [document for document in documents if _is_meant(document, target)]
    assert hit, f"nobody is {target}"
    for document in hit:
        if isinstance(change, list):
            _replace(document, change)
        else:
            name = document["metadata"]["name"]
            _merge(document, copy.deepcopy(change))
            document["metadata"]["name"] = name  # the target says whom, not the patch


def _is_meant(document, target):
    key, _, value = target.get("labelSelector", "").partition("=")
    meta = document["metadata"]
    return (
        target.get("kind") in (None, document["kind"])
        and target.get("name") in (None, meta["name"])
        and (not key or meta.get("labels", {}).get(key) == value)
    )


def _replace(document, operations):
    for operation in operations:
        assert operation["op"] == "replace", operation
        *way, last = operation["path"].removeprefix("/").split("/")
        here = document
        for step in way:
            here = here[int(step) if isinstance(here, list) else step]
        here[int(last) if isinstance(here, list) else last] = operation["value"]


def _merge(into, change):
    for name, value in change.items():
        assert not name.startswith("$"), f"tests render no {name}"
        assert value is not None, f"tests render no end of {name}"
        held = into.get(name)
        if isinstance(value, dict) and isinstance(held, dict):
            _merge(held, value)
        elif isinstance(value, list) and isinstance(held, list) and name in MERGED_BY:
            _merge_lists(held, value, MERGED_BY[name])
        else:
            into[name] = value


def _merge_lists(into, change, key):
    for value in change:
        held = next((one for one in into if one[key] == value[key]), None)
        if held is None:
            into.append(value)
        else:
            _merge(held, value)


def _transform(document, said):
    kind, meta = document["kind"], document["metadata"]
    if "namespace" in said:
        meta["name" if kind == "Namespace" else "namespace"] = said["namespace"]
    for row in said.get("replicas", []):
        if kind in SCALED and meta["name"] == row["name"]:
            document["spec"]["replicas"] = row["count"]
    for container in containers(document):
        name, _, tag = container["image"].partition(":")
        for row in said.get("images", []):
            if row["name"] == name:
                container["image"] = f"{row.get('newName', name)}:{row.get('newTag', tag)}"


def containers(document):
    """Of a workload's pods, those that come first included."""
    spec = document.get("spec", {}).get("template", {}).get("spec", {})
    return [*spec.get("initContainers", []), *spec.get("containers", [])]
