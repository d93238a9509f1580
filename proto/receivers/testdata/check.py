# Reads cases from stdin and prints what the receiver's functions say of each.
import base64
import importlib.util
import json
import sys

sys.dont_write_bytecode = True
spec = importlib.util.spec_from_file_location("receiver", sys.argv[1])
receiver = importlib.util.module_from_spec(spec)
spec.loader.exec_module(receiver)


def verdict(c):
    body = base64.b64decode(c["body"])
    if c["standard"]:
        return receiver.verify_standard(c["secret"], body, c["id"], c["timestamp"], c["signature"], c["now"])
    return receiver.verify_dialnote(c["secret"], body, c["signature"])


print(json.dumps([verdict(c) for c in json.load(sys.stdin)]))
