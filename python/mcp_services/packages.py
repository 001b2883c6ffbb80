"""Which package brings which module, and what the standard library holds in which version."""

from __future__ import annotations

import re
import sys

# Modules whose package has another name. The first package is the one that is added; the others
# bring the module as well. A dotted module stands for itself and for what lies below it.
PACKAGES = {
    "attr": ("attrs",),
    "attrs": ("attrs",),
    "bs4": ("beautifulsoup4",),
    "cairo": ("pycairo",),
    "community": ("python-louvain",),
    "Crypto": ("pycryptodome", "pycrypto"),
    "Cryptodome": ("pycryptodomex",),
    "cv2": (
        "opencv-python",
        "opencv-python-headless",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    ),
    "dateutil": ("python-dateutil",),
    "dbus": ("dbus-python",),
    "discord": ("discord-py", "py-cord", "nextcord"),
    "dns": ("dnspython",),
    "docx": ("python-docx",),
    "dotenv": ("python-dotenv",),
    "faiss": ("faiss-cpu", "faiss-gpu"),
    "fitz": ("pymupdf",),
    "gi": ("pygobject",),
    "git": ("gitpython",),
    "google.api_core": ("google-api-core",),
    "google.auth": ("google-auth",),
    "google.generativeai": ("google-generativeai",),
    "google.genai": ("google-genai",),
    "google.oauth2": ("google-auth",),
    "google.protobuf": ("protobuf",),
    "google_auth_oauthlib": ("google-auth-oauthlib",),
    "googleapiclient": ("google-api-python-client",),
    "googletrans": ("googletrans",),
    "igraph": ("igraph", "python-igraph"),
    "IPython": ("ipython",),
    "jose": ("python-jose",),
    "jwt": ("pyjwt",),
    "ldap": ("python-ldap",),
    "Levenshtein": ("levenshtein", "python-levenshtein"),
    "lxml_html_clean": ("lxml-html-clean",),
    "magic": ("python-magic", "file-magic"),
    "memcache": ("python-memcached",),
    "mpl_toolkits": ("matplotlib",),
    "multipart": ("python-multipart",),
    "mysql": ("mysql-connector-python",),
    "MySQLdb": ("mysqlclient",),
    "nacl": ("pynacl",),
    "OpenSSL": ("pyopenssl",),
    "PIL": ("pillow", "pillow-simd"),
    "pkg_resources": ("setuptools",),
    "pptx": ("python-pptx",),
    "psycopg2": ("psycopg2-binary", "psycopg2"),
    "pylab": ("matplotlib",),
    "PyQt5": ("pyqt5",),
    "PyQt6": ("pyqt6",),
    "pythonjsonlogger": ("python-json-logger",),
    "rest_framework": ("djangorestframework",),
    "ruamel": ("ruamel.yaml",),
    "serial": ("pyserial",),
    "skimage": ("scikit-image",),
    "sklearn": ("scikit-learn",),
    "slugify": ("python-slugify",),
    "snappy": ("python-snappy",),
    "socketio": ("python-socketio",),
    "engineio": ("python-engineio",),
    "socks": ("pysocks",),
    "speech_recognition": ("speechrecognition",),
    "telegram": ("python-telegram-bot",),
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tf-nightly"),
    "umap": ("umap-learn",),
    "usb": ("pyusb",),
    "vlc": ("python-vlc",),
    "websocket": ("websocket-client",),
    "wx": ("wxpython",),
    "Xlib": ("python-xlib",),
    "yaml": ("pyyaml",),
    "zmq": ("pyzmq",),
    # Once of the standard library.
    "audioop": ("audioop-lts",),
    "cgi": ("legacy-cgi",),
    "cgitb": ("legacy-cgi",),
    "distutils": ("setuptools",),
    "telnetlib": ("standard-telnetlib",),
}

# Packages that share their first name with others: the module two or three names deep tells which.
NAMESPACES = {"google.cloud": 3, "azure": 2, "zope": 2, "jaraco": 2, "sphinxcontrib": 2}
# Below these, one name more.
DEEPER = frozenset({"azure.storage", "azure.mgmt", "azure.keyvault", "azure.ai", "azure.data"})

# Modules that no package index brings here: of another system, of a program, or ours.
NOT_INSTALLABLE = frozenset(
    """__main__ _winapi google google.colab clr win32api win32com win32con win32gui win32file
    win32event win32process win32service win32serviceutil win32clipboard win32pipe win32security
    pythoncom pywintypes winreg winsound msvcrt bpy maya hou unreal micropython machine ucollections
    org java javax mcp_runtime mcp_services python_mcp_server sitecustomize usercustomize
    """.split()  # noqa: SIM905  one name a line would hide the list
)

# Standard library: the first version with, or without, a module; between 3.10 and 3.14.
_ADDED = {"tomllib": (3, 11), "annotationlib": (3, 14), "compression": (3, 14)}
_REMOVED = {
    **dict.fromkeys(("binhex",), (3, 11)),
    **dict.fromkeys(("asynchat", "asyncore", "distutils", "imp", "smtpd"), (3, 12)),
    **dict.fromkeys(
        """aifc audioop cgi cgitb chunk crypt imghdr lib2to3 mailcap msilib nis nntplib ossaudiodev
        pipes sndhdr spwd sunau telnetlib uu xdrlib""".split(),  # noqa: SIM905
        (3, 13),
    ),
}


def in_standard_library(module: str, version: tuple[int, int]) -> bool:
    """Whether that version of Python brings the (first name of a) module."""
    if module in _ADDED:
        return version >= _ADDED[module]
    if module in _REMOVED:
        return version < _REMOVED[module]
    return module in sys.stdlib_module_names


def packages_of(module: str, version: tuple[int, int]) -> tuple[str, ...]:
    """The packages that bring a dotted module, the usual one first; none: nothing to install."""
    parts = module.split(".")
    first = parts[0]
    for depth in range(len(parts), 0, -1):
        known = PACKAGES.get(".".join(parts[:depth]))
        if known:
            return known
    if first in NOT_INSTALLABLE and ".".join(parts[:2]) not in NAMESPACES:
        return ()
    # A name the standard library has, or had, is nobody else's: the index may hold an impostor.
    if first.startswith("_") or first in sys.stdlib_module_names or first in {**_ADDED, **_REMOVED}:
        return ()
    for depth in (2, 1):
        if ".".join(parts[:depth]) in NAMESPACES:
            wanted = NAMESPACES[".".join(parts[:depth])]
            wanted += ".".join(parts[:2]) in DEEPER
            return (normalised("-".join(parts[:wanted])),) if len(parts) >= wanted else ()
    return (normalised(first),)


def normalised(name: str) -> str:
    """A project's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of_requirement(requirement: str) -> str:
    """The normalised name in a requirement; empty when it names none (a path, a plain URL)."""
    egg = re.search(r"#(?:.*&)?egg=([A-Za-z0-9._-]+)", requirement)
    found = egg or re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:$|[\[<>=!~;@(,\s])", requirement)
    return normalised(found.group(1)) if found else ""
