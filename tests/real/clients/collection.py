"""The default collection of the Secret Service, by another way than brokerd's: lock, unlock, look, write.

    collection.py lock | unlock PASSWORD | items | get ACCOUNT | put ACCOUNT TEXT
"""

import json
import os
import sys

from jeepney import DBusAddress, Properties, new_method_call
from jeepney.io.blocking import open_dbus_connection

SERVICE = "org.freedesktop.secrets"
ROOT = "/org/freedesktop/secrets"


class Collection:
    """One connection: a session of the Secret Service ends with it."""

    def __init__(self):
        self.bus = open_dbus_connection(bus=os.environ["DBUS_SESSION_BUS_ADDRESS"])
        self.session = self.call(ROOT, "org.freedesktop.Secret.Service", "OpenSession", "sv", ("plain", ("s", "")))[1]
        self.path = self.call(ROOT, "org.freedesktop.Secret.Service", "ReadAlias", "s", ("default",))[0]

    def call(self, path, interface, method, signature=None, body=()):
        """Calls, and gives what is answered."""
        address = DBusAddress(path, SERVICE, interface)
        reply = self.bus.send_and_get_reply(new_method_call(address, method, signature, body), timeout=20)
        if reply.header.message_type.name == "error":
            raise SystemExit(f"{method}: {reply.body}")
        return reply.body

    def read(self, path, interface, name):
        """A property."""
        address = DBusAddress(path, SERVICE, interface)
        return self.bus.send_and_get_reply(Properties(address).get(name), timeout=20).body[0][1]

    def lock(self):
        """Locks it, as when the user leaves."""
        self.call(ROOT, "org.freedesktop.Secret.Service", "Lock", "ao", ([self.path],))
        assert self.read(self.path, "org.freedesktop.Secret.Collection", "Locked")

    def unlock(self, password):
        """Unlocks it without a prompt: GNOME Keyring's own way for programs like this."""
        secret = (self.session, b"", password.encode(), "text/plain")
        interface = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface"
        self.call(ROOT, interface, "UnlockWithMasterPassword", "o(oayays)", (self.path, secret))
        assert not self.read(self.path, "org.freedesktop.Secret.Collection", "Locked")

    def items(self):
        """Every item: its path, label and account."""
        for path in self.read(self.path, "org.freedesktop.Secret.Collection", "Items"):
            attributes = self.read(path, "org.freedesktop.Secret.Item", "Attributes")
            label = self.read(path, "org.freedesktop.Secret.Item", "Label")
            yield {"path": path, "label": label, "account": attributes.get("username"), "service": attributes.get("service")}

    def get(self, account):
        """What an item of brokerd holds."""
        [found] = [item["path"] for item in self.items() if item["account"] == account]
        return self.call(found, "org.freedesktop.Secret.Item", "GetSecret", "o", (self.session,))[0][2]

    def put(self, account, text):
        """Puts something of another program where brokerd would put its own."""
        named = {
            "org.freedesktop.Secret.Item.Label": ("s", "somebody else's"),
            "org.freedesktop.Secret.Item.Attributes": ("a{ss}", {"service": "brokerd", "username": account}),
        }
        secret = (self.session, b"", text.encode(), "text/plain")
        self.call(
            self.path, "org.freedesktop.Secret.Collection", "CreateItem", "a{sv}(oayays)b", (named, secret, True)
        )


def main(word, *words):
    """One command."""
    collection = Collection()
    if word == "items":
        print(json.dumps(list(collection.items())))
    elif word == "get":
        print(collection.get(*words).decode())
    else:
        getattr(collection, word)(*words)


main(*sys.argv[1:])
