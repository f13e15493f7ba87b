"""Programs for the tests that one Go module holds: built once, kept in the cache by version."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from seedbed.toolchain import go_build
from seedbed.toolchain.pulumi_cli import cache_folder


@dataclass(frozen=True)
class GoProgram:
    """A program whose package is its module's root."""

    name: str
    module: str
    version: str

    @property
    def path(self):
        """Where it is kept."""
        return cache_folder() / self.name / self.version / self.name

    def find(self):
        """Its path in the cache, or None."""
        return str(self.path) if self.path.is_file() else None

    def obtain(self, say):
        """Put it into the cache, as a whole or not at all, unless it is there.

        Raises:
            ToolMissingError: Go is missing and can't be obtained, or the module is refused.
        """
        if self.find():
            return
        say(f"Building {self.name} from its Go module, once")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.path.parent) as folder:
            work, built = Path(folder), Path(folder, self.name)
            work.joinpath("go.mod").write_text(f"module x\nrequire {self.module} {self.version}\n")
            go = go_build.find_go(work, say)
            command = [go, "build", "-mod=mod", "-trimpath", "-ldflags", "-s -w", "-o", str(built), self.module]
            go_build.run(command, work, self.name)
            built.rename(self.path)
