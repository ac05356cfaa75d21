"""Looks at images: what the compose files name, what the containers run, what the registries have."""

from __future__ import annotations

from cdcproof.clients.containers.compose_config import rendered
from cdcproof.clients.containers.compose_file import said
from cdcproof.clients.containers.engine import Engine, Image
from cdcproof.clients.image_registry import ImageRegistry, Reference
from cdcproof.core.errors import CouldNotLookError, UnreachableError
from cdcproof.observations.images.images import Images, NewerImages, Running
from cdcproof.observations.images.tags import LATEST, NewerTags, Newest, is_version, newest
from cdcproof.pipeline.model import Pipeline


def running(pipeline: Pipeline, now: float) -> Images:
    """Every service of the compose files, by the container that compose made of it. Raises as the engine and Compose do."""
    files = pipeline.paths.compose_files
    read = rendered(files)
    wanted = {name: one.settings["image"] for name, one in said(read).items() if "image" in one.settings}
    with Engine() as engine:
        made = engine.of_compose_folder(str(files[0].resolve().parent))
        services = []
        for name, image in sorted(wanted.items()):
            container = made.get(name)
            runs, image_id = (container.settings.image, container.settings.image_id) if container else ("", "")
            services.append(Running(name, image, runs, image_id, engine.image(image)))
    # a service behind a profile that nobody asked for has no container
    started = [one for one in services if one.image_id or not read.services[one.service].get("profiles")]
    return Images(tuple(started), now, pipeline.thresholds.image_age_days)


def newer(pipeline: Pipeline, now: float) -> NewerImages:
    """What the registries have under the tags of the images that run; the engine asks them, with its own logins."""
    names = dict.fromkeys(one.wanted for one in running(pipeline, now).services if one.image_id)
    images: dict[str, Image] = {}
    at_registry: dict[str, str] = {}
    unknown: dict[str, str] = {}
    with Engine() as engine:
        for name in names:
            image = engine.image(name)
            if image is None:
                continue
            images[name] = image
            try:
                at_registry[name] = engine.digest_at_registry(name)
            except CouldNotLookError as error:
                unknown[name] = error.message
    return NewerImages(images, at_registry, unknown)


def newer_tags(pipeline: Pipeline, now: float) -> NewerTags:
    """What the registries have beside the tags of the images that run; each is asked without a login."""
    running_tags = {one.wanted: Reference.parse(one.wanted) for one in running(pipeline, now).services if one.image_id}
    found: dict[str, Newest] = {}
    unknown: dict[str, tuple[str, str]] = {}
    silent: dict[str, CouldNotLookError] = {}
    for image, reference in running_tags.items():
        if reference.tag == LATEST:
            continue
        if not is_version(reference.tag):
            unknown[image] = (f"{reference.tag or 'a digest'} is no version.", "Name a version in the compose files.")
            continue
        try:
            if reference.host in silent:
                raise silent[reference.host]
            found[image] = newest(reference.tag, ImageRegistry(reference).tags())
        except CouldNotLookError as error:
            if isinstance(error, UnreachableError):  # nor would it answer for the next image
                silent[reference.host] = error
            unknown[image] = (error.message, error.remedy)
    return NewerTags({image: reference.tag for image, reference in running_tags.items()}, found, unknown)
