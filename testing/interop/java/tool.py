"""The Java process that writes histories and dumps trees, and how to speak to it (Tool.java)."""

import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import harness  # noqa: E402


class Broken(Exception):
    """The servers disagree, or one of them failed."""


class Tool:
    """The Java process that writes histories and dumps trees; see Tool.java."""

    def __init__(self):
        command = java("interop.datadir.Tool", heap="256m", log="OFF")
        self.errors = open(harness.temp_dir() / "tool.log", "w+")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
                                        encoding="utf-8")

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            line = line.rstrip("\n")
            if line == "ok":
                return lines
            if line.startswith("error "):
                raise Broken(f"{words[0]}: {line[6:]}")
            lines.append(line)
        raise Broken(f"{words[0]}: the Java tool ended; see {self.errors.name}")

    def read(self, directory):
        """What the genuine loader makes of a copy of the directory."""
        copy = harness.temp_dir() / "copy"
        shutil.copytree(directory, copy)
        try:
            return self.ask("read", copy)
        finally:
            shutil.rmtree(copy)


def java(main_class, *args, **options):
    """The argument list for a class of this folder or of the genuine jars."""
    command = harness.java(main_class, *args, properties={"zookeeper.extendedTypesEnabled": "true"}, **options)
    command[command.index("-cp") + 1] += f":{harness.CACHE / 'java-classes'}"
    return command
