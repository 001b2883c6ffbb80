#include "host/tools/install_lines.h"

#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

namespace {

struct Taken {
  std::string code;
  std::vector<std::string> packages;
  bool upgrade = false;
};

Taken taken(std::string code) {
  std::unique_ptr<SessionWish> wish;
  REQUIRE(take_install_lines(code, wish));
  if (!wish) return {code, {}};
  return {code, wish->dependencies, wish->upgrade};
}

std::string refused(std::string code) {
  const std::string before = code;
  std::unique_ptr<SessionWish> wish;
  const auto result = take_install_lines(code, wish);
  REQUIRE(!result);
  CHECK(code == before);
  return result.error().message;
}

using Packages = std::vector<std::string>;

}  // namespace

TEST_CASE("Install lines: every way in which notebooks and shells say it is understood") {
  for (const char* line :
       {"%pip install rich", "!pip install rich", "pip install rich", "pip3 install rich",
        "!pip3 install rich", "%uv pip install rich", "!uv pip install rich", "uv pip install rich",
        "uv add rich", "!python -m pip install rich", "python3 -m pip install rich",
        "!{sys.executable} -m pip install rich", "%pip  install   rich", "!pip install -q rich",
        "!pip install rich  # for tables", "!pip install rich > /dev/null 2>&1",
        "!pip install --quiet 'rich' | tail -1", "! pip install rich"}) {
    INFO(line);
    const Taken found = taken(line);
    CHECK(found.packages == Packages{"rich"});
    CHECK(found.code == std::string("# ") + line);
  }
}

TEST_CASE("Install lines: several packages, versions, extras and upgrades") {
  CHECK(taken("%pip install 'a>=1,<2' b[more]==3 \"c; python_version > '3'\"").packages ==
        Packages{"a>=1,<2", "b[more]==3", "c; python_version > '3'"});
  CHECK(taken("%pip install a\n!pip install b\nimport a").packages == Packages{"a", "b"});
  CHECK(taken("%pip install -U a").upgrade);
  CHECK(taken("%pip install --upgrade a").upgrade);
  CHECK_FALSE(taken("%pip install a").upgrade);
}

TEST_CASE("Install lines: other lines keep their numbers, and blocks stay blocks") {
  CHECK(taken("%pip install a\r\nb = 1\r\n").code == "# %pip install a\r\nb = 1\r\n");
  CHECK(taken("try:\n  import a\nexcept ImportError:\n  %pip install a\n").code ==
        "try:\n  import a\nexcept ImportError:\n  pass  # %pip install a\n");
  const Taken longer = taken("%pip install \\\n  a \\\n  b\nx = 1");
  CHECK(longer.packages == Packages{"a", "b"});
  CHECK(longer.code == "# %pip install \\\n#   a \\\n#   b\nx = 1");
}

TEST_CASE("Install lines: what stands in a string or a comment, or is Python, stays as it is") {
  for (const std::string code :
       {"text = '''\n%pip install a\n'''\n", "text = \"\"\"It's\npip install a\n\"\"\"\n",
        "# pip install a\n", "pip = install = 1\npip, install\n", "await micropip.install('a')\n",
        "print('pip install a')\n", "text = 'one\\\n%pip install a'\n",
        "'''# '''; x = '''\n!pip install a\n'''\n", "installed = 1\n"}) {
    INFO(code);
    const Taken found = taken(code);
    CHECK(found.code == code);
    CHECK(found.packages.empty());
  }
  CHECK(taken("x = '''a'''  # it's '''\n%pip install a").packages == Packages{"a"});
  CHECK(taken("x = f'{y['k']}'\n%pip install a").packages == Packages{"a"});
}

TEST_CASE("Install lines: what can't be done is refused before anything runs, with the way out") {
  CHECK(refused("%pip install --user a").find("--user") != std::string::npos);
  CHECK(refused("%pip install -r file.txt").find("-r") != std::string::npos);
  CHECK(refused("%pip install").find("names none") != std::string::npos);
  CHECK(refused("!pip install a && python x.py").find("second command") != std::string::npos);
  CHECK(refused("%pip install -e .").find("dependencies=[") != std::string::npos);
}
