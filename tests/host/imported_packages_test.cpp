#include "support/catch.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "host/tools/imported_packages.h"

using namespace pyember::host;

namespace {

using Names = std::vector<std::string>;
constexpr ImportedPackages::Clock::time_point kNow{};

Names missing(const std::string& code) { return ImportedPackages({}).missing(code, kNow); }

}  // namespace

TEST_CASE("imports: packages are named once, in the order of the imports, by the index's names") {
  CHECK(missing("import pandas as pd\nimport matplotlib.pyplot as plt\nfrom mcp import mcp_fs") ==
        Names{"pandas", "matplotlib"});
  CHECK(missing("from sklearn.svm import SVC; import yaml, json , PIL.Image as I\nimport PIL") ==
        Names{"scikit-learn", "pyyaml", "pillow"});
  CHECK(missing("def f():\n\timport numpy # fast, pandas\n  from  scipy import stats") ==
        Names{"numpy", "scipy"});
  CHECK(missing("import\tpandas\r\n") == Names{"pandas"});
}

TEST_CASE("imports: what is no import, not known, or the user's own is left alone") {
  for (const char* code :
       {"", "print('pandas')", "important = pandas", "import os, sys", "from . import pandas",
        "from .pandas import x", "imports pandas", "import made_up_by_a_model", "import", "from",
        "import ,", "x = 'import pandas'", "frompandas import x"}) {
    INFO(code);
    CHECK(missing(code).empty());
  }
}

TEST_CASE("imports: a package that sessions find is not installed") {
  const auto folder = std::filesystem::temp_directory_path() / "pyember-imports-test";
  std::filesystem::create_directories(folder / "pandas");
  std::ofstream(folder / "tabulate.py") << "";
  ImportedPackages imports({folder.string()});
  CHECK(imports.missing("import pandas, tabulate, numpy", kNow) == Names{"numpy"});
  std::filesystem::remove_all(folder);
}

TEST_CASE("imports: a package that could not be had is tried again after a while") {
  ImportedPackages imports({});
  imports.failed({"pandas"}, kNow);
  CHECK(imports.missing("import pandas, numpy", kNow) == Names{"numpy"});
  CHECK(imports.missing("import pandas", kNow + std::chrono::hours(1)) == Names{"pandas"});
}
