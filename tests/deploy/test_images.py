"""The Dockerfile, its Makefile target and the stand-in bases name the same things, and fail in words."""

import re
import subprocess

import pytest

from tests.deploy.imports import ROOT
from tests.deploy.test_groups import STARTS

DOCKERFILE = (ROOT / "deploy/docker/Dockerfile").read_text(encoding="utf-8")
PREPARE = ROOT / "deploy/docker/offline/prepare"


def test_every_image_that_is_made_has_its_stage_and_its_group() -> None:
    # Given
    listed = re.search(r"^IMAGES := (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed
    images = set(listed[1].split())
    # When
    stages = set(re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.MULTILINE))
    # Then
    assert images <= stages
    assert images == STARTS.keys()


@pytest.mark.parametrize("variable", ["PYTHON_IMAGE", "NATS_IMAGE", "POSTGRES_IMAGE", "NGINX_IMAGE"])
def test_a_stand_in_takes_the_place_of_the_very_image_that_compose_wants(variable: str) -> None:
    # Given
    default = re.compile(rf"\$\{{{variable}:-([^}}]+)\}}")
    # When
    stood_in_for = set(default.findall(PREPARE.read_text(encoding="utf-8")))
    wanted = set(default.findall((ROOT / "docker-compose.yml").read_text(encoding="utf-8")))
    # Then
    assert len(wanted) == 1
    assert wanted == stood_in_for


def test_the_dockerfile_s_own_default_is_compose_s() -> None:
    # When
    own = re.search(r"^ARG BASE_IMAGE=(\S+)$", DOCKERFILE, re.MULTILINE)
    # Then
    assert own
    assert f"${{PYTHON_IMAGE:-{own[1]}}}" in (ROOT / "docker-compose.yml").read_text(encoding="utf-8")


def test_without_an_engine_the_stand_ins_say_so_and_change_nothing() -> None:
    # When
    ended = subprocess.run(
        [PREPARE],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "DOCKER_HOST": "unix:///nonexistent/docker.sock"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # Then
    assert ended.returncode == 1
    assert ended.stderr == "offline: no Docker engine answers; start one, or set DOCKER_HOST\n"
