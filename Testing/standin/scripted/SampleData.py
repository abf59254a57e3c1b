"""Slicer's module SampleData where Slicer's own is not at hand: takes note of what modules offer, and gives it."""

from collections.abc import Callable
from typing import Any

import slicer


class SampleDataSource:
    """One offer: addresses or a function, and the names of what they give."""

    def __init__(
        self,
        sampleName: str | None = None,
        sampleDescription: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        checksums: Any = None,
        loadFiles: Any = None,
        customDownloader: Callable | None = None,
        thumbnailFileName: str | None = None,
        loadFileTypes: Any = None,
        loadFileProperties: dict | None = None,
    ) -> None:
        self.sampleName = sampleName
        self.sampleDescription = sampleDescription or sampleName
        lists = {
            "fileNames": fileNames,
            "nodeNames": nodeNames,
            "checksums": checksums,
            "loadFiles": loadFiles,
            "loadFileTypes": loadFileTypes,
        }
        if isinstance(uris, str):
            uris, lists = [uris], {name: [value] for name, value in lists.items()}
        elif isinstance(uris, (list, tuple)):
            lists = {name: [None] * len(uris) if value is None else value for name, value in lists.items()}
        if any(len(value) != len(uris) for value in lists.values()):
            raise ValueError("All fields of sample data source must have the same length")
        self.uris = uris
        self.__dict__.update(lists)
        self.customDownloader, self.thumbnailFileName = customDownloader, thumbnailFileName
        self.loadFileProperties = loadFileProperties or {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SampleDataSource) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(self.sampleName)


class SampleDataLogic:
    """Registers offers and gives what they hold."""

    @staticmethod
    def registerCustomSampleDataCategory(category: str, title: str) -> None:
        """Name a category for the user."""
        vars(slicer.modules).setdefault("sampleDataSourceCategories", {})[category] = {"title": title}

    @staticmethod
    def registerCustomSampleDataSource(
        category: str = "Custom",
        sampleName: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        customDownloader: Callable | None = None,
        thumbnailFileName: str | None = None,
        loadFileTypes: Any = None,
        loadFiles: Any = None,
        loadFileProperties: dict | None = None,
        checksums: Any = None,
    ) -> None:
        """Offer data in a category."""
        source = SampleDataSource(
            sampleName=sampleName,
            uris=uris,
            fileNames=fileNames,
            nodeNames=nodeNames,
            checksums=checksums,
            loadFiles=loadFiles,
            customDownloader=customDownloader,
            thumbnailFileName=thumbnailFileName,
            loadFileTypes=loadFileTypes,
            loadFileProperties=loadFileProperties,
        )
        sources = vars(slicer.modules).setdefault("sampleDataSources", {}).setdefault(category, [])
        if source not in sources:
            sources.append(source)

    def sourceForSampleName(self, sampleName: str) -> SampleDataSource | None:
        """The offer of a name."""
        offers = vars(slicer.modules).get("sampleDataSources", {}).values()
        return next((source for sources in offers for source in sources if source.sampleName == sampleName), None)

    def downloadSamples(self, sampleName: str) -> list[Any]:
        """What an offer holds, as nodes. There is no network: only what a function makes."""
        source = self.sourceForSampleName(sampleName)
        if source is None or source.customDownloader is None:
            raise RuntimeError(f"No sample data {sampleName} can be had without a network")
        result = source.customDownloader(source)
        return result if isinstance(result, list) else [result]


def downloadSamples(sampleName: str) -> list[Any]:
    """What an offer holds, as nodes."""
    return SampleDataLogic().downloadSamples(sampleName)


def downloadSample(sampleName: str) -> Any:
    """The first node of an offer."""
    return downloadSamples(sampleName)[0]
