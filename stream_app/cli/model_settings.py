"""What the commands that train have in common: data, presets, a device, and a way to every setting of a recipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import click

if TYPE_CHECKING:
    import torch

    from model.training.train import Recipe

_SECTIONS = ("text", "photo", "fusion", "network")
DATA = click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="folder of the labelled data: crisismmd/, photos/, text/",
)
PRESET = click.option("--preset", type=click.Choice(["product", "paper"]), default="product", show_default=True)
SET = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="SECTION.FIELD=VALUE",
    help="any setting of the recipe: text.epochs=2, fusion.at=head, network.granularity=group; may be repeated",
)
DEVICE = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="auto: a GPU if any"
)


def device_of(name: str) -> torch.device:
    """The device to train on.

    Raises:
        ClickException: it is to be the GPU, and torch finds none.
    """
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise click.ClickException("torch finds no CUDA GPU on this machine: use --device cpu, or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def recipe_of(
    preset: str, *, short: bool = False, seed: int = 0, text_model: str | None = None, settings: Sequence[str] = ()
) -> Recipe:
    """A preset's recipe with what the command line changes.

    Raises:
        UsageError: a setting is unknown or has a value it cannot have.
    """
    from model.training.train import Recipe

    presets = {
        "product": Recipe.product,
        "paper": Recipe.literal,
        "retune": Recipe.retune,
        "retune-text": Recipe.retune_text,
    }
    recipe = presets[preset]()
    text = replace(recipe.text, seed=seed) if recipe.text else None
    photo = replace(recipe.photo, seed=seed) if recipe.photo else None
    recipe = replace(recipe, text=text, photo=photo, fusion=replace(recipe.fusion, seed=seed))
    if text_model:
        recipe = replace(recipe, text_model=text_model)
    recipe = changed(recipe, settings)
    return recipe.shortened() if short else recipe


def changed(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """The recipe with settings written ``section.field=value``; section is text, photo, fusion or network."""
    from model.network import NetworkConfig

    for setting in settings:
        section, name, written = _parts(setting)
        if section == "network":
            value = parsed(setting, name, written, {k: f.annotation for k, f in NetworkConfig.model_fields.items()})
            recipe = replace(recipe, changes={**recipe.changes, name: value})
            continue
        plan: Any = getattr(recipe, section)
        if plan is None:
            raise click.UsageError(f"--set {setting}: this recipe leaves the {section} layers as they are")
        recipe = replace(recipe, **{section: with_setting(plan, setting, name, written)})
    return recipe


def with_setting(plan: Any, setting: str, name: str, written: str) -> Any:
    """A frozen dataclass with one field as it was written on the command line."""
    hints = get_type_hints(type(plan), include_extras=True)
    return replace(plan, **{name: parsed(setting, name, written, {f.name: hints[f.name] for f in fields(plan)})})


def parsed(setting: str, name: str, written: str, kinds: dict[str, Any]) -> Any:
    """The value of a field of one of these ``kinds``.

    Raises:
        UsageError: there is no such field, or the value is none of its kind.
    """
    from pydantic import TypeAdapter, ValidationError

    if name not in kinds:
        raise click.UsageError(f"--set {setting}: there is no {name!r}; there are {', '.join(sorted(kinds))}")
    try:
        return TypeAdapter(kinds[name]).validate_strings(written)
    except ValidationError as error:
        raise click.UsageError(f"--set {setting}: {error.errors()[0]['msg'].lower()}") from None


def _parts(setting: str) -> tuple[str, str, str]:
    key, equals, written = setting.partition("=")
    section, dot, name = key.partition(".")
    if not equals or not dot or section not in _SECTIONS:
        one_of = ", ".join(_SECTIONS[:-1]) + f" or {_SECTIONS[-1]}"
        raise click.UsageError(f"--set {setting}: write SECTION.FIELD=VALUE; a section is {one_of}")
    return section, name, written
