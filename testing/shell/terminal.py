"""A real terminal (tmux) for shells, and what `zabra shell` is to do on one."""

import os
import pathlib
import pty
import re
import select
import shlex
import subprocess
import sys
import tempfile
import time

import harness

WIDTH, HEIGHT = 150, 60


class Terminal:
    """A program in a window of a tmux of its own."""

    def __init__(self, argv, env=None):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="zabra-terminal-"))
        self.socket = str(self.home / "tmux")
        # The history of whoever runs this stays out of it.
        env = {"HOME": str(self.home), "ZABRA_HISTORY": str(self.home / "history"), "TERM": "xterm-256color", **(env or {})}
        words = [*(f"{key}={value}" for key, value in env.items()), *argv]
        command = f'env {shlex.join(words)}; echo "(ended with $?)"; sleep 600'
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT), command)

    def _tmux(self, *words):
        done = subprocess.run(["tmux", "-S", self.socket, *words], capture_output=True, text=True)
        if done.returncode:
            raise harness.HarnessError(f"tmux {words[0]}: {done.stderr.strip()}")
        return done.stdout

    def type(self, text):
        """Types text as it is."""
        self._tmux("send-keys", "-l", text)

    def press(self, *keys):
        """Presses keys by tmux's names: Enter, Tab, C-r."""
        self._tmux("send-keys", *keys)

    def text(self):
        """All that has been on the screen, lines that were wrapped put together."""
        text = self._tmux("capture-pane", "-p", "-J", "-S", "-")
        return "\n".join(line.rstrip() for line in text.rstrip().splitlines())

    def wait_for(self, wanted, timeout=60.0):
        """Waits until the text is as wanted."""
        deadline = time.monotonic() + timeout
        while not wanted(text := self.text()):
            if time.monotonic() > deadline:
                raise harness.HarnessError(f"the terminal never showed what was waited for, but:\n{text}")
            time.sleep(0.05)
        return text

    def wait(self, pattern, timeout=60.0):
        """Waits until the text matches."""
        return self.wait_for(lambda text: re.search(pattern, text + " ", re.M), timeout)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True)
        for file in self.home.rglob("*"):
            if file.is_file() or file.is_socket():
                file.unlink()
        for folder in sorted(self.home.rglob("*"), reverse=True):
            folder.rmdir()
        self.home.rmdir()


def checks():
    """(name, check) of each thing; a check gives a reason when it fails."""
    return checks_of(sys.modules[__name__], "terminal")


def checks_of(module, group):
    """The checks in a module."""
    for name, check in list(vars(module).items()):
        if name.startswith("check_"):
            yield f"{group}/{name[len('check_'):]}", _guarded(check)


def _guarded(check):
    def run(argv, hostport):
        try:
            with Terminal(argv, {"TZ": "UTC"}) as screen:
                screen.wait(r"\(CONNECTED\) 0\]")
                check(screen, argv, hostport)
        except harness.HarnessError as error:
            return str(error)
        return None

    return run


def enter(screen, line, shown):
    screen.type(line)
    screen.press("Enter")
    screen.wait(shown)


def check_completion(screen, argv, hostport):
    """Tab completes commands, options and paths from the live tree."""
    enter(screen, "create /configuration x", "Created /configuration")
    enter(screen, 'create "/with space" x', "Created /with space")
    screen.type("getAllC")
    screen.press("Tab")
    screen.wait(r"\] getAllChildrenNumber\s*$")
    screen.type("/conf")
    screen.press("Tab")
    screen.wait(r"\] getAllChildrenNumber /configuration\s*$")
    screen.press("C-u")
    screen.type("delete --dr")
    screen.press("Tab")
    screen.wait(r"\] delete --dry-run\s*$")
    screen.press("C-u")
    screen.type("get /wi")
    screen.press("Tab")
    screen.wait(r'\] get "/with space"\s*$')


def check_history(screen, argv, hostport):
    """The arrow and Ctrl-R find former lines, also those of a former shell; passwords are not kept."""
    enter(screen, "ls /zookeeper", r"\[config, quota\]")
    enter(screen, "addauth digest me:secret", r"\) 2\]")
    enter(screen, "whoami", "digest: me")
    screen.press("Up")
    screen.wait(r"\) 3\] whoami\s*$")
    screen.press("C-u")
    screen.press("C-r")
    screen.type("zook")
    screen.wait(r"ls /zookeeper\s*$")
    screen.press("Enter")
    screen.wait(r"\) 3\] ls /zookeeper\s*$")
    screen.press("Enter")
    screen.wait(r"\) 4\]")
    enter(screen, "quit", r"\(ended with 0\)")
    kept = (screen.home / "history").read_text()
    if "secret" in kept or "ls /zookeeper" not in kept:
        raise harness.HarnessError(f"the history file holds:\n{kept}")


def check_mistakes(screen, argv, hostport):
    """An error points at the word."""
    enter(screen, "ls -q /", r"^  ls -q /\n     \^\^ its options are")
    enter(screen, 'set /a "open', r'^  set /a "open\n         \^\^\^\^\^')
    enter(screen, "craete /a", r"^  craete /a\n  \^\^\^\^\^\^ did you mean create\?")


def check_events(screen, argv, hostport):
    """An event appears while a line is being typed, and the line stays."""
    enter(screen, "create /watched", "Created /watched")
    enter(screen, "get -w /watched", r"^null\n.*\) 2\]\s*$")
    screen.type("ls /half")
    harness.run([*argv, "set", "/watched", "x"])
    told = r"WATCHER::\n\nWatchedEvent state:SyncConnected type:NodeDataChanged path:/watched zxid: \d+\n\n.*"
    screen.wait(rf"^null\n\n{told}\) 2\] ls /half\s*$")
    screen.press("Enter")
    screen.wait(r"^Node does not exist: /half\n.*\) 3\]\s*$")
    # The same on the last line of the screen.
    for number in (4, 5, 6):
        enter(screen, "help", rf"\) {number}\]\s*$")
    enter(screen, "get -w /watched", rf"^x\n.*\) 7\]\s*$")
    screen.type("ls /again")
    harness.run([*argv, "set", "/watched", "y"])
    screen.wait(rf"^x\n\n{told}\) 7\] ls /again\s*$")


def check_interrupt(screen, argv, hostport):
    """Ctrl-C drops the line, Ctrl-D leaves."""
    screen.type("delete /everyth")
    screen.wait(r"\) 0\] delete /everyth\s*$")
    screen.press("C-c")
    screen.wait(r"\) 0\] delete /everyth\n.*\) 0\]\s*$")
    screen.press("C-d")
    screen.wait(r"\(ended with 0\)")


def check_expect(screen, argv, hostport):
    """Programs that play a person, such as expect, do not answer what a line editor asks of a terminal."""
    process, terminal = pty.fork()
    if not process:
        os.execvpe(argv[0], argv, {**os.environ, "ZABRA_HISTORY": str(screen.home / "history")})
    shown = b""
    for wanted, typed in ((rb"\) 0\] $", b"ls /zookeeper\r"), (rb"\[config, quota\]\r\n.*\) 1\] $", b"quit\r")):
        while not re.search(wanted, shown):
            if not select.select([terminal], [], [], 10)[0]:
                raise harness.HarnessError(f"nothing more came after {shown}")
            shown += os.read(terminal, 65536)
        os.write(terminal, typed)
    if os.waitpid(process, 0)[1]:
        raise harness.HarnessError("it did not end well")
