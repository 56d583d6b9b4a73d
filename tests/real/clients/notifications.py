"""A desktop's notifications, as far as brokerd needs them (Desktop Notifications Specification 1.2), or a forger of them.

    notifications.py serve [CAPABILITY …]   a line for each notification that is shown or taken back; a line of standard
                                            input, `invoke ID KEY` or `close ID`, is what its user does
    notifications.py forge ID KEY           says from another name that the action was taken
"""

import json
import os
import select
import sys

from jeepney import DBusAddress, HeaderFields, MessageType, new_method_call, new_method_return, new_signal
from jeepney.io.blocking import open_dbus_connection

NAME = "org.freedesktop.Notifications"
EMITTER = DBusAddress("/org/freedesktop/Notifications", interface=NAME)
BUS = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")


def tell(**facts):
    """A line for the test."""
    print(json.dumps(facts), flush=True)


def answer(connection, message, capabilities, state):
    """What a call gets."""
    member = message.header.fields[HeaderFields.member]
    if member == "GetCapabilities":
        return "as", (capabilities,)
    if member == "GetServerInformation":
        return "ssss", ("stand-in", "tests", "1", "1.2")
    if member == "CloseNotification":
        tell(closed=message.body[0])
        connection.send(new_signal(EMITTER, "NotificationClosed", "uu", (message.body[0], 3)))
        return "", ()
    assert member == "Notify", member
    state["last"] += 1
    _, _, _, summary, body, actions, _, timeout = message.body
    tell(id=state["last"], summary=summary, body=body, actions=actions, timeout=timeout)
    return "u", (state["last"],)


def serve(capabilities):
    """Until standard input ends."""
    connection = open_dbus_connection(bus=os.environ["DBUS_SESSION_BUS_ADDRESS"])
    reply = connection.send_and_get_reply(new_method_call(BUS, "RequestName", "su", (NAME, 4)))
    assert reply.body == (1,), reply.body
    tell(serves=connection.unique_name)
    state = {"last": 0}
    while True:
        ready, _, _ = select.select([connection.sock, sys.stdin], [], [])
        if sys.stdin in ready:
            words = sys.stdin.readline().split()
            if not words:
                return
            if words[0] == "invoke":
                connection.send(new_signal(EMITTER, "ActionInvoked", "us", (int(words[1]), words[2])))
            else:
                connection.send(new_signal(EMITTER, "NotificationClosed", "uu", (int(words[1]), 2)))
        if connection.sock in ready:
            message = connection.receive()
            if message.header.message_type == MessageType.method_call:
                signature, body = answer(connection, message, capabilities, state)
                connection.send(new_method_return(message, signature or None, body))


def forge(number, key):
    """The signal of a desktop, from a connection that is none: to everybody, and to brokerd by its own name too."""
    connection = open_dbus_connection(bus=os.environ["DBUS_SESSION_BUS_ADDRESS"])
    names = connection.send_and_get_reply(new_method_call(BUS, "ListNames")).body[0]
    forged = [new_signal(EMITTER, "ActionInvoked", "us", (number, key))]
    for name in names:
        if name.startswith(":") and name != connection.unique_name:
            signal = new_signal(EMITTER, "ActionInvoked", "us", (number, key))
            signal.header.fields[HeaderFields.destination] = name
            forged.append(signal)
    for signal in forged:
        connection.send(signal)
    # An answer of the bus to what is asked last: by then it has passed on what was sent before.
    connection.send_and_get_reply(new_method_call(BUS, "ListNames"))
    tell(forged=len(forged))


if sys.argv[1] == "serve":
    serve(sys.argv[2:] or ["actions", "body", "body-markup"])
else:
    forge(int(sys.argv[2]), sys.argv[3])
