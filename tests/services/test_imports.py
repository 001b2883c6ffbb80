"""Which packages a script is found to need (CONTRACTS A2.1 and defect 10 of A13)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]


def added(call: Call, source: str, **arguments: Any) -> list[str]:
    arguments.setdefault("python_version", "3.12")
    answer = call("inspect_script", source=source, **arguments)
    assert answer["syntax_error"] is None
    return answer["imports_added"]


def test_every_name_of_an_import_statement_is_seen(call: Call) -> None:
    assert added(call, "import requests, numpy as np\nfrom flask.views import View\n") == [
        "flask", "numpy", "requests"]


def test_the_standard_library_is_never_asked_of_an_index(call: Call) -> None:
    modules = ("csv, random, hashlib, tempfile, sqlite3, unittest, string, decimal, traceback, "
               "xml.etree.ElementTree, concurrent.futures, _thread, __future__, __main__")
    assert added(call, f"import {modules}") == []


def test_imports_inside_functions_classes_and_blocks_count(call: Call) -> None:
    source = """
def f():
    import a1
    class C:
        with open("x") as f:
            import a2
for x in y:
    while x:
        import a3
    else:
        import a4
match x:
    case 1:
        import a5
async def g():
    async with x:
        import a6
"""
    assert added(call, source) == ["a1", "a2", "a3", "a4", "a5", "a6"]


def test_text_that_only_looks_like_an_import_is_none(call: Call) -> None:
    assert added(call, '"""\nimport requests\n"""\nx = "import numpy"\n# import flask\n') == []


@pytest.mark.parametrize(
    ("module", "package"),
    [("cv2", "opencv-python"), ("PIL.Image", "pillow"), ("sklearn.svm", "scikit-learn"),
     ("yaml", "pyyaml"), ("bs4", "beautifulsoup4"), ("dotenv", "python-dotenv"),
     ("dateutil.parser", "python-dateutil"), ("skimage", "scikit-image"),
     ("Crypto.Cipher", "pycryptodome"), ("serial", "pyserial"), ("usb.core", "pyusb"),
     ("git", "gitpython"), ("jwt", "pyjwt"), ("magic", "python-magic"), ("docx", "python-docx"),
     ("pptx", "python-pptx"), ("fitz", "pymupdf"), ("MySQLdb", "mysqlclient"),
     ("psycopg2.extras", "psycopg2-binary"), ("google.protobuf.message", "protobuf"),
     ("google.cloud.storage.blob", "google-cloud-storage"), ("zmq", "pyzmq"), ("attr", "attrs"),
     ("attrs", "attrs"), ("OpenSSL", "pyopenssl"), ("ruamel.yaml", "ruamel.yaml"),
     ("mpl_toolkits.mplot3d", "matplotlib"), ("pkg_resources", "setuptools"),
     ("azure.identity.aio", "azure-identity"), ("azure.storage.blob", "azure-storage-blob"),
     ("zope.interface", "zope-interface"), ("typing_extensions", "typing-extensions"),
     ("IPython.display", "ipython")],
)
def test_packages_named_unlike_their_module(call: Call, module: str, package: str) -> None:
    assert added(call, f"import {module}") == [package]


def test_names_imported_from_shared_packages(call: Call) -> None:
    source = "from google.cloud import storage, bigquery\nfrom google import genai\n"
    assert added(call, source) == [
        "google-cloud-bigquery", "google-cloud-storage", "google-genai"]


@pytest.mark.parametrize("module", ["win32api", "pythoncom", "winreg", "google.colab",
                                    "_private", "mcp_runtime", "python_mcp_server"])
def test_modules_that_no_index_brings_are_left_out(call: Call, module: str) -> None:
    assert added(call, f"import {module}") == []


def test_modules_and_packages_beside_the_script_are_local(call: Call, tmp_path: Path) -> None:
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "neighbour.py").touch()
    (tmp_path / "project" / "package").mkdir(parents=True)
    (tmp_path / "project" / "package" / "__init__.py").touch()
    (tmp_path / "project" / "namespace").mkdir()
    (tmp_path / "project" / "namespace" / "part.py").touch()
    (tmp_path / "project" / "requests").mkdir()  # of data: hides no module
    source = "import neighbour, package.x, namespace.part, requests\nfrom . import sibling\n"
    assert added(call, source, path=str(tmp_path / "script" / "main.py"),
                 directory=str(tmp_path / "project")) == ["requests"]


def test_what_only_type_checkers_see_is_left_out(call: Call) -> None:
    source = """
import typing
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import a1
else:
    import a2
if not typing.TYPE_CHECKING:
    import a3
"""
    assert added(call, source) == ["a2", "a3"]


def test_branches_for_other_versions_and_systems_are_left_out(call: Call) -> None:
    source = """
import sys, os, platform
if sys.version_info >= (3, 11):
    import a1
else:
    import a2
if sys.version_info[:2] < (3, 9):
    import a3
if sys.platform == "win32":
    import a4
elif os.name == "posix":
    import a5
if platform.system() == "Windows":
    import a6
if unknown():
    import a7
else:
    import a8
"""
    assert added(call, source) == ["a1", "a5", "a7", "a8"]
    assert added(call, source, python_version="3.10") == ["a2", "a5", "a7", "a8"]


def test_an_optional_import_with_a_way_out_is_not_added(call: Call) -> None:
    source = """
try:
    import ujson as json
except ImportError:
    import json
try:
    import rich
except (ModuleNotFoundError, AttributeError):
    rich = None
import contextlib
with contextlib.suppress(ImportError):
    import uvloop
"""
    assert added(call, source) == []


def test_an_import_whose_failure_ends_the_script_is_added(call: Call) -> None:
    source = """
import sys
try:
    import numpy
except ImportError:
    sys.exit("numpy is needed")
try:
    import requests
except Exception as error:
    raise RuntimeError from error
try:
    import flask
except ValueError:
    pass
"""
    assert added(call, source) == ["flask", "numpy", "requests"]


def test_of_two_that_are_missing_the_first_choice_is_added(call: Call) -> None:
    source = "try:\n    import ujson\nexcept ImportError:\n    import simplejson\n"
    assert added(call, source) == ["ujson"]


def test_a_back_port_is_added_for_the_version_that_needs_it(call: Call) -> None:
    source = "try:\n    import tomllib\nexcept ImportError:\n    import tomli as tomllib\n"
    assert added(call, source, python_version="3.11") == []
    assert added(call, source, python_version="3.10") == ["tomli"]
    assert added(call, "import tomllib", python_version="3.10") == []


def test_modules_that_left_the_standard_library(call: Call) -> None:
    source = "import distutils.core, telnetlib, imp, smtpd, msilib"
    assert added(call, source, python_version="3.11") == []
    # Only those with a known successor; a package of the old name would be somebody else's.
    assert added(call, source, python_version="3.13") == ["setuptools", "standard-telnetlib"]
    assert added(call, source, python_version="3.12") == ["setuptools"]


@pytest.mark.parametrize(
    ("module", "dependency"),
    [("requests", "requests"), ("requests", "Requests>=2,<3"), ("requests", "requests[socks]==2"),
     ("requests", "requests @ https://example.org/requests-2-py3-none-any.whl"),
     ("requests", "requests; python_version > '3'"), ("PIL", "Pillow"), ("yaml", "PyYAML~=6.0"),
     ("cv2", "opencv-python-headless"), ("psycopg2", "psycopg2"),
     ("typing_extensions", "typing-extensions"), ("ruamel.yaml", "ruamel-yaml>0.17"),
     ("sample", "git+https://example.org/x.git#egg=sample")],
)
def test_what_the_dependencies_bring_is_not_added(call: Call, module: str, dependency: str) -> None:
    assert added(call, f"import {module}", dependencies=[dependency]) == []


def test_dependencies_of_other_names_cover_nothing(call: Call) -> None:
    assert added(call, "import requests", dependencies=["requests-cache", "./requests"]) == [
        "requests"]


def test_added_packages_are_sorted_and_each_once(call: Call) -> None:
    source = "import zmq, yaml, yaml, numpy\nfrom yaml import x\nimport attr, attrs\n"
    assert added(call, source) == ["attrs", "numpy", "pyyaml", "pyzmq"]


def test_conditions_that_mean_nothing_are_both_ways(call: Call) -> None:
    source = "import sys\nif sys.version_info > ('x',):\n    import a1\nelse:\n    import a2\n"
    assert added(call, source) == ["a1", "a2"]
