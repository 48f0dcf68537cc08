"""What a client may ask about the methods themselves, as XML-RPC's usual extensions have it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from xmlrpc.client import Fault

from labq.web.endpoint import Call
from labq.web.lava.method import Method, Text, help_of, signatures

MULTICALL = "system.multicall"
_INTROSPECTION = "http://scripts.incutio.com/xmlrpc/introspection.html"
_CAPABILITIES = {
    "xmlrpc": {"specUrl": "http://www.xmlrpc.com/spec", "specVersion": 1},
    "faults_interop": {
        "specUrl": "http://xmlrpc-epi.sourceforge.net/specs/rfc.fault_codes.php",
        "specVersion": 20010516,
    },
    "nil": {"specUrl": "http://www.ontosys.com/xml-rpc/extensions.php", "specVersion": 20010518},
    "introspection": {"specUrl": _INTROSPECTION, "specVersion": 1},
    "system.multicall": {
        "specUrl": "https://mirrors.talideon.com/articles/multicall.html",
        "specVersion": 1,
    },
}


def multicall(call: Call, calls: list[object]) -> object:  # noqa: ARG001 - it stands for its help
    """Call several methods, each in a transaction of its own.

    Takes an array of {methodName, params}. Returns an array with, for each of them, an array of its
    value, or {faultCode, faultString}.
    """
    message = "the server answers this call itself"
    raise RuntimeError(message)


def describe(methods: tuple[Method, ...]) -> tuple[Method, ...]:
    """Return the methods that tell about these, and about themselves."""

    def list_methods(call: Call) -> list[str]:  # noqa: ARG001 - every method gets the call
        """Return the names of all methods."""
        return sorted(table)

    def method_help(call: Call, name: Text) -> str:  # noqa: ARG001 - as above
        """Return what a method does."""
        return help_of(_find(table, name))

    def method_signature(call: Call, name: Text) -> list[list[str]]:  # noqa: ARG001 - as above
        """Return arrays of type names, of the value first, one for each number of arguments."""
        return signatures(_find(table, name))

    def capabilities(call: Call) -> dict[str, object]:  # noqa: ARG001 - as above
        """Return which extensions of XML-RPC are served."""
        return dict(_CAPABILITIES)

    own = (
        Method(name="system.listMethods", run=list_methods, returns="array"),
        Method(name="system.methodHelp", run=method_help, returns="string"),
        Method(name="system.methodSignature", run=method_signature, returns="array"),
        Method(name="system.getCapabilities", run=capabilities, returns="struct"),
        Method(name=MULTICALL, run=multicall, returns="array"),
    )
    table = {method.name: method for method in (*methods, *own)}
    return own


def _find(table: Mapping[str, Method], name: str) -> Method:
    method = table.get(name)
    if method is None:
        raise Fault(int(HTTPStatus.NOT_FOUND), f"No such method: '{name}'")
    return method
