"""What the commands that zkCli does not have are to look like on a terminal."""

import json
import re
import sys

import harness
import terminal
from terminal import enter


def checks():
    """(name, check) of each thing; a check gives a reason when it fails."""
    return terminal.checks_of(sys.modules[__name__], "own")


def check_tree(screen, argv, hostport):
    """A tree is drawn, and a limit says how much it hides."""
    for path in ("/t", "/t/a", "/t/a/b", "/t/c"):
        enter(screen, f"create {path} data", f"Created {path}")
    enter(screen, "tree /t", r"^/t  \(4 B\)\n├── a  \(4 B\)\n│   └── b  \(4 B\)\n└── c  \(4 B\)\n4 nodes, 16 B of data")
    enter(screen, "tree --width 1 --depth 1 /t", r"├── a  \(4 B, 1 children\)\n└── … 1 more")


def check_mistakes(screen, argv, hostport):
    """A mistake points at the word and says what would be right."""
    enter(screen, "cp /zookeeper /no/such", r"^ +cp /zookeeper /no/such\n +\^{8} --parents creates it")
    enter(screen, "tree --depht 1", r"^Unrecognized option: --depht\n.*\n +\^{7} its options are --data --depth --width")
    enter(screen, "find / --limit two", r"^--limit is a number, not two\n +find / --limit two\n +\^{3}$")
    enter(screen, "find / [", r"unclosed character class\n.*\n +\^")


def check_watch(screen, argv, hostport):
    """Changes appear as they happen; Ctrl-C gives the prompt back, and the session goes on."""
    enter(screen, "create /w 1", "Created /w")
    enter(screen, "watch /w", r"^watching /w; Ctrl-C stops")
    harness.run([*argv, "set", "/w", "two"])
    screen.wait(r'^\d\d:\d\d:\d\d\.\d{3} changed /w  \(v1, 3 B\)  "two"')
    harness.run([*argv, "create", "/w/x"])
    screen.wait(r"created /w/x  \(v0\)\s*$")
    screen.press("C-c")
    screen.wait(r"interrupted\n.*\) 2\]\s*$")
    enter(screen, "whoami", "Auth scheme: User")


def check_edit(screen, argv, hostport):
    """An editor has the terminal, and what it leaves is set."""
    enter(screen, 'create /e "old text"', "Created /e")
    screen.type("edit /e")
    screen.press("Enter")
    screen.wait(r"^old text")
    screen.type(":s/old/new/")
    screen.press("Enter")
    screen.type(":wq")
    screen.press("Enter")
    screen.wait(r"^set /e \(v1\)")
    enter(screen, "get /e", r"^new text$")


def check_progress(screen, argv, hostport):
    """A bar shows how far a long import is, and vanishes."""
    file = screen.home / "many.json"
    nodes = [{"path": "/many"}] + [{"path": f"/many/n{number}", "data": "x" * 100} for number in range(60_000)]
    file.write_text(json.dumps({"format": "zabra-export", "version": 1, "path": "/many", "nodes": nodes}))
    screen.type(f"import {file}")
    screen.press("Enter")
    screen.wait(r"importing \[[=> ]+\] [\d,]+/60,001 nodes", timeout=60)
    text = screen.wait(r"created 60001 nodes below /many\n.*\) 1\]\s*$", timeout=120)
    if re.search("importing", text):
        raise harness.HarnessError(f"the bar stays:\n{text}")
