"""Overlays, rendered once by the real kustomize."""

import copy
import functools

import pytest
from ruamel.yaml import YAML

from deploy.k8s.render import overlays, render, renderer
from tests.deploy.deployed import Object


@functools.cache
def _rendered(overlay: str) -> list[Object]:
    return list(YAML(typ="safe").load_all(render(overlay)))


@pytest.fixture(params=overlays())
def objects(request: pytest.FixtureRequest) -> list[Object]:
    """Everything in an overlay, for each of them; a copy: change it as you like."""
    if renderer() is None:
        pytest.skip("no kustomize 5 and no recent kubectl here: `make render` fetches one")
    return copy.deepcopy(_rendered(request.param))
