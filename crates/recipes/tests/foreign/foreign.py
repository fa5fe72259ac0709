"""Does with kazoo what it is told, one line of words separated by tabs after another, and answers in one line."""

import sys

from kazoo.client import KazooClient

client = KazooClient(hosts=sys.argv[1], timeout=10)
client.start()
party = None


def answer(words):
    global party
    command, *words = words
    if command == "party":
        party = client.Party(words[0], words[1])
    elif command == "shallow":
        party = client.ShallowParty(words[0], words[1])
    elif command == "join":
        party.join()
    elif command == "leave":
        party.leave()
    elif command == "members":
        return ",".join(sorted(party))
    else:
        return "unknown: " + command
    return "ok"


for line in sys.stdin:
    try:
        print(answer(line.rstrip("\n").split("\t")), flush=True)
    except Exception as error:
        print("failed:", repr(error), flush=True)
