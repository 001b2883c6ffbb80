#include "support/catch.h"

#include "host/workers/import_habits.h"

using namespace pyember::host;

TEST_CASE("Import habits: the imports of a cell are seen whatever their form") {
  using Names = std::vector<std::string_view>;
  CHECK(worthwhile_imports("import numpy as np") == Names{"numpy"});
  CHECK(worthwhile_imports("import os, pandas as pd, numpy.linalg") == Names{"pandas", "numpy"});
  CHECK(worthwhile_imports("from matplotlib import pyplot as plt\nx = 1") == Names{"matplotlib"});
  CHECK(worthwhile_imports("def f():\n\timport scipy.stats; import yaml") ==
        Names{"scipy", "yaml"});
  CHECK(worthwhile_imports("import numpyro\nimportant = 'import numpy'").empty());
  CHECK(worthwhile_imports("1+1").empty());
}

TEST_CASE("Import habits: a package is wanted once a second worker has asked for it") {
  ImportHabits habits;
  CHECK(habits.look(1, "import numpy").empty());
  CHECK(habits.look(1, "import numpy").empty());
  CHECK(habits.look(2, "import numpy, pandas") == std::vector<std::string>{"numpy"});
  CHECK(habits.look(3, "import numpy").empty());
  CHECK(habits.look(3, "import pandas") == std::vector<std::string>{"pandas"});
}

TEST_CASE("Import habits: of matplotlib the part is wanted that takes time to import") {
  ImportHabits habits;
  CHECK(habits.look(1, "import matplotlib.pyplot as plt").empty());
  CHECK(habits.look(2, "from matplotlib import pyplot") ==
        std::vector<std::string>{"matplotlib.pyplot"});
}
