"""The Kubernetes job: of the right form, and of one mind with the command line and the image.

The file was held against the schema of RayJob in KubeRay 1.7.0 (ray.io/v1, in
ray-operator/config/crd/bases/ray.io_rayjobs.yaml of ray-project/kuberay), unknown fields refused,
and its other objects and its pods against those of Kubernetes 1.37. That schema is larger than our
package; the one below knows only the fields that we use, with the types that they have there.
"""

from collections import Counter
from pathlib import Path

import jsonschema
import pytest
import yaml

from jaxanon.cli import parser
from jaxanon.cli.config_run import words_of

ROOT = Path(__file__).parents[1]
FILE = ROOT / "scripts" / "cluster" / "kubernetes.yaml"
TEXT, INTEGER, BOOLEAN = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
QUANTITIES = {
    "type": "object",
    "additionalProperties": {"type": ["integer", "string"], "pattern": r"^[0-9.]+([EPTGMk]i?|m)?$"},
}
TEXTS = {"type": "object", "additionalProperties": TEXT}
NAME = {"type": "string", "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$", "maxLength": 47}


def record(fields, *optional):
    """Schema of an object that has these fields and no others."""
    required = [name for name in fields if name not in optional]
    return {
        "type": "object",
        "properties": fields,
        "required": required,
        "additionalProperties": False,
    }


def every(schema):
    return {"type": "array", "items": schema, "minItems": 1}


CONTAINER = record(
    {
        "name": NAME,
        "image": TEXT,
        "env": every(record({"name": TEXT, "value": TEXT})),
        "resources": record({"requests": QUANTITIES, "limits": QUANTITIES}),
        "volumeMounts": every(
            record({"name": NAME, "mountPath": TEXT, "readOnly": BOOLEAN}, "readOnly")
        ),
    }
)
POD = record(
    {
        "restartPolicy": {"enum": ["Always", "Never", "OnFailure"]},
        "terminationGracePeriodSeconds": INTEGER,
        "securityContext": record(
            {"runAsNonRoot": BOOLEAN, "runAsUser": INTEGER, "fsGroup": INTEGER}
        ),
        "tolerations": every(
            record(
                {
                    "key": TEXT,
                    "operator": {"enum": ["Exists", "Equal"]},
                    "effect": {"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
                }
            )
        ),
        "containers": every(CONTAINER),
        "volumes": every(
            record(
                {
                    "name": NAME,
                    "persistentVolumeClaim": record({"claimName": NAME}),
                    "configMap": record({"name": NAME}),
                },
                "persistentVolumeClaim",
                "configMap",
            )
        ),
    },
    "tolerations",
)
GROUP = {"rayStartParams": TEXTS, "template": record({"spec": POD})}
WORKERS = {
    "groupName": NAME,
    "replicas": INTEGER,
    "minReplicas": INTEGER,
    "maxReplicas": INTEGER,
    **GROUP,
}


def thing(version, kind, **fields):
    """Schema of an object of Kubernetes."""
    return record(
        {
            "apiVersion": {"const": version},
            "kind": {"const": kind},
            "metadata": record({"name": NAME}),
            **fields,
        }
    )


SCHEMAS = {
    "PersistentVolumeClaim": thing(
        "v1",
        "PersistentVolumeClaim",
        spec=record(
            {
                "accessModes": every({"const": "ReadWriteMany"}),
                "storageClassName": TEXT,
                "resources": record({"requests": QUANTITIES}),
            }
        ),
    ),
    "ConfigMap": thing("v1", "ConfigMap", data=TEXTS),
    "RayJob": thing(
        "ray.io/v1",
        "RayJob",
        spec=record(
            {
                "entrypoint": TEXT,
                "shutdownAfterJobFinishes": BOOLEAN,
                "ttlSecondsAfterFinished": INTEGER,
                "backoffLimit": INTEGER,
                "rayClusterSpec": record(
                    {
                        "rayVersion": TEXT,
                        "authOptions": record({"mode": {"enum": ["token", "disabled"]}}),
                        "headGroupSpec": record(GROUP),
                        "workerGroupSpecs": every(record(WORKERS)),
                    }
                ),
            }
        ),
    ),
}


@pytest.fixture(scope="module")
def objects():
    return {each["kind"]: each for each in yaml.safe_load_all(FILE.read_text())}


@pytest.fixture
def cluster(objects):
    return objects["RayJob"]["spec"]["rayClusterSpec"]


def pods(cluster):
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


def test_each_object_is_of_the_right_form(objects):
    assert objects.keys() == SCHEMAS.keys()
    for kind, found in objects.items():
        jsonschema.Draft202012Validator(SCHEMAS[kind]).validate(found)


def test_the_schema_refuses_what_kubernetes_would(objects):
    """A field misspelt, a number for a text: our schema is not one that lets all pass."""
    check = jsonschema.Draft202012Validator(SCHEMAS["RayJob"])
    spec = objects["RayJob"]["spec"]
    for wrong in ({"backofLimit": 3}, {"backoffLimit": "3"}, {"entrypoint": ["jaxanon", "run"]}):
        assert not check.is_valid({**objects["RayJob"], "spec": {**spec, **wrong}})


def test_the_pods_see_the_same_files(objects, cluster):
    head, *workers = pods(cluster)
    for pod in workers:
        assert pod["volumes"] == head["volumes"]
        for each in ("env", "volumeMounts", "image"):
            assert pod["containers"][0][each] == head["containers"][0][each]
    for volume in head["volumes"]:
        if claim := volume.get("persistentVolumeClaim"):
            assert claim["claimName"] == objects["PersistentVolumeClaim"]["metadata"]["name"]
        else:
            assert volume["configMap"]["name"] == objects["ConfigMap"]["metadata"]["name"]
    mounts = head["containers"][0]["volumeMounts"]
    assert Counter(m["name"] for m in mounts) == Counter(v["name"] for v in head["volumes"])


def test_the_job_is_one_that_the_command_line_takes(objects, cluster, tmp_path):
    """It is there where the entry point looks, and asks for the workers that there are."""
    command, run, path = objects["RayJob"]["spec"]["entrypoint"].split()
    assert (command, run) == ("jaxanon", "run")
    ((name, text),) = objects["ConfigMap"]["data"].items()
    job, (workers,) = tmp_path / name, cluster["workerGroupSpecs"]
    job.write_text(text)
    args = parser().parse_args(words_of(job))
    (container,) = workers["template"]["spec"]["containers"]
    places = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert path == f"{places['job']}/{name}"
    for folder in (*args.src, args.output, *(Path(each["value"]) for each in container["env"])):
        assert folder.is_relative_to(places["data"])
    assert (args.engine, args.address, args.platform, args.resume) == ("ray", "auto", "gpu", True)
    assert args.workers == workers["replicas"] == workers["minReplicas"] == workers["maxReplicas"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == (args.devices_per_worker or 1)
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
