"""The keys of a test definition, as the precise check judges them. What a run reads is in `definition`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationInfo, model_validator

from labq.actions.parameters import Parameters
from labq.actions.values import Labelled, Maybe, Table, Text, is_run, refusals

FORMAT = "Lava-Test Test Definition 1.0"
_OF_DISTRIBUTION = "deps-"


class DefinitionMetadata(Parameters):
    """What the definition says of itself."""

    format: Literal["Lava-Test Test Definition 1.0"]
    name: Text
    description: Text = ""
    environment: list[Text] = Field(default_factory=list)
    devices: list[Text] = Field(default_factory=list)
    maintainer: list[Text] = Field(default_factory=list)
    scope: list[Text] = Field(default_factory=list)
    os: list[Text] = Field(default_factory=list)


class DefinitionInstall(Parameters):
    """What is installed before the steps; packages for one distribution stand in `deps-<name>`."""

    deps: list[Text] = Field(default_factory=list)
    git_repos: list[Text] = Field(default_factory=list, alias="git-repos")
    keys: list[Text] = Field(default_factory=list)
    steps: list[Text] = Field(default_factory=list)
    sources: list[Text] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _judge_distributions(cls, data: Any, info: ValidationInfo) -> Any:
        if is_run(info) or not isinstance(data, dict):
            return data
        named = [key for key in data if _is_of_distribution(key)]
        odd = [key for key in named if not _is_list_of_texts(data[key])]
        if odd:
            raise refusals(*(((key,), "must be a list of strings") for key in odd))
        return {key: data[key] for key in data if key not in named}


def _is_of_distribution(key: object) -> bool:
    return isinstance(key, str) and key.startswith(_OF_DISTRIBUTION) and key != _OF_DISTRIBUTION


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(type(one) is str for one in value)


class DefinitionParse(Parameters):
    """Other words for the results."""

    fixupdict: Labelled[Literal["pass", "fail", "skip", "unknown"]] = Field(default_factory=dict)


class DefinitionRun(Parameters):
    """Shell lines, run one after the other."""

    steps: list[Text]


class DefinitionKeys(Parameters):
    """A whole test definition."""

    metadata: DefinitionMetadata
    install: Maybe[DefinitionInstall] = None
    parameters: Table = Field(default_factory=dict)
    params: Table = Field(default_factory=dict)
    parse: Maybe[DefinitionParse] = None
    run: Maybe[DefinitionRun] = None
