"""The Helm chart rendered; run by itself it writes ``deploy/kubernetes/`` anew (``make manifests``)."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy"
CHART = DEPLOY / "helm/crisis-stream"
KUBERNETES = "1.37.0"
"""The version whose schemas the package kubernetes-validate brings."""


def found(name: str) -> str | None:
    """Where ``name`` is: on the path, or where ``go install`` puts it."""
    gopath = os.environ.get("GOPATH", str(Path.home() / "go"))
    return shutil.which(name) or shutil.which(name, path=Path(gopath) / "bin")


def rendered(*arguments: str, release: str = "crisis-stream") -> dict[str, str]:
    """The text of each template, by its file name, as ``helm template`` gives it.

    Raises:
        subprocess.CalledProcessError: Helm refuses; ``stderr`` says why.
    """
    helm = found("helm")
    assert helm is not None, "no helm: `make helm` builds it where Go is"
    with tempfile.TemporaryDirectory() as folder:
        command = [helm, "template", release, str(CHART), "--namespace", "crisis-stream"]
        command += ["--kube-version", KUBERNETES, "--output-dir", folder, *arguments]
        subprocess.run(command, check=True, capture_output=True, text=True)
        return {path.name: path.read_text() for path in sorted(Path(folder).glob("crisis-stream/templates/*.yaml"))}


def manifests() -> dict[str, str]:
    """What ``deploy/kubernetes/`` holds beside the namespace: the chart with everything on."""
    return rendered("--values", str(DEPLOY / "helm/manifests.yaml"))


if __name__ == "__main__":
    for name, text in manifests().items():
        (DEPLOY / "kubernetes" / name).write_text(text)
