"""Says that the screen was locked and unlocked, as a desktop does: `screen.py WHO`, then a word a line on standard input.

WHO is the name of a screen saver, or `logind` on the system bus.
"""

import sys

from jeepney import DBusAddress, HeaderFields, MessageType, new_method_return, new_signal
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection

LOGIND = "org.freedesktop.login1"


def main(who, uid):
    """Takes the name, says so, and emits what it is told."""
    bus = open_dbus_connection(bus="SYSTEM" if who == "logind" else "SESSION")
    name = LOGIND if who == "logind" else who
    taken = bus.send_and_get_reply(message_bus.RequestName(name))
    assert taken.body[0] == 1, taken.body
    print("ready", flush=True)
    for line in sys.stdin:
        word = line.strip()
        if who == "logind":
            session = DBusAddress("/org/freedesktop/login1/session/_31", interface=f"{LOGIND}.Session")
            bus.send(new_signal(session, {"lock": "Lock", "unlock": "Unlock"}[word]))
            # It is asked whose session that is.
            asked = bus.receive()
            while asked.header.message_type != MessageType.method_call:
                asked = bus.receive()
            assert asked.header.fields[HeaderFields.member] == "Get"
            user = (int(uid), f"/org/freedesktop/login1/user/_{uid}")
            bus.send(new_method_return(asked, "v", (("(uo)", user),)))
        else:
            path = "/" + who.replace(".", "/")
            bus.send(new_signal(DBusAddress(path, interface=who), "ActiveChanged", "b", (word == "lock",)))
        print("said", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
