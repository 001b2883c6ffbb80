#include "host/tools/imported_packages.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/limits.h"

namespace pyember::host {

namespace {

constexpr std::string_view kBlank = " \t\r";

struct Known {
  std::string_view module;
  std::string_view package;
};

// Sorted by module. What there are wheels of for every usual machine, and no framework of
// gigabytes: those are for who asks for them by name.
constexpr std::array kKnown = std::to_array<Known>({
    {"PIL", "pillow"},
    {"aiohttp", "aiohttp"},
    {"altair", "altair"},
    {"attr", "attrs"},
    {"babel", "babel"},
    {"bokeh", "bokeh"},
    {"bs4", "beautifulsoup4"},
    {"chardet", "chardet"},
    {"click", "click"},
    {"cryptography", "cryptography"},
    {"cv2", "opencv-python-headless"},
    {"dateutil", "python-dateutil"},
    {"docx", "python-docx"},
    {"dotenv", "python-dotenv"},
    {"duckdb", "duckdb"},
    {"faker", "faker"},
    {"feedparser", "feedparser"},
    {"fitz", "pymupdf"},
    {"geopandas", "geopandas"},
    {"httpx", "httpx"},
    {"humanize", "humanize"},
    {"imageio", "imageio"},
    {"jinja2", "jinja2"},
    {"joblib", "joblib"},
    {"jsonschema", "jsonschema"},
    {"lxml", "lxml"},
    {"markdown", "markdown"},
    {"matplotlib", "matplotlib"},
    {"mpl_toolkits", "matplotlib"},
    {"mpmath", "mpmath"},
    {"msgpack", "msgpack"},
    {"networkx", "networkx"},
    {"nltk", "nltk"},
    {"numba", "numba"},
    {"numpy", "numpy"},
    {"openpyxl", "openpyxl"},
    {"orjson", "orjson"},
    {"pandas", "pandas"},
    {"pendulum", "pendulum"},
    {"plotly", "plotly"},
    {"polars", "polars"},
    {"pptx", "python-pptx"},
    {"pyarrow", "pyarrow"},
    {"pydantic", "pydantic"},
    {"pyparsing", "pyparsing"},
    {"pypdf", "pypdf"},
    {"pytz", "pytz"},
    {"qrcode", "qrcode"},
    {"rapidfuzz", "rapidfuzz"},
    {"regex", "regex"},
    {"reportlab", "reportlab"},
    {"requests", "requests"},
    {"rich", "rich"},
    {"scipy", "scipy"},
    {"seaborn", "seaborn"},
    {"shapely", "shapely"},
    {"skimage", "scikit-image"},
    {"sklearn", "scikit-learn"},
    {"sqlalchemy", "sqlalchemy"},
    {"statsmodels", "statsmodels"},
    {"sympy", "sympy"},
    {"tabulate", "tabulate"},
    {"tiktoken", "tiktoken"},
    {"toml", "toml"},
    {"tqdm", "tqdm"},
    {"typer", "typer"},
    {"unidecode", "unidecode"},
    {"wordcloud", "wordcloud"},
    {"xarray", "xarray"},
    {"xlrd", "xlrd"},
    {"xlsxwriter", "xlsxwriter"},
    {"xmltodict", "xmltodict"},
    {"yaml", "pyyaml"},
});
static_assert(std::is_sorted(kKnown.begin(), kKnown.end(), [](const Known& one, const Known& two) {
  return one.module < two.module;
}));

std::string_view package_of(std::string_view module) {
  const auto found = std::lower_bound(
      kKnown.begin(), kKnown.end(), module,
      [](const Known& each, std::string_view wanted) { return each.module < wanted; });
  return found != kKnown.end() && found->module == module ? found->package : std::string_view();
}

std::string_view without_blanks(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  return text;
}

// "import" of "import x": takes the word and the blanks behind it away.
bool take_word(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  const std::string_view rest = without_blanks(text.substr(word.size()));
  if (rest.size() + word.size() == text.size()) return false;  // no blank: another word
  text = rest;
  return true;
}

// "a" of "a.b as c".
std::string_view first_name(std::string_view text) {
  return text.substr(0, std::min(text.find_first_of(". \t\r,;#("), text.size()));
}

// The modules of one statement, by their first names.
template <typename Found>
void read_statement(std::string_view statement, Found found) {
  statement = without_blanks(statement);
  if (take_word(statement, "from")) return found(first_name(statement));
  if (!take_word(statement, "import")) return;
  statement = statement.substr(0, statement.find('#'));
  for (;;) {
    found(first_name(statement));
    const std::size_t comma = statement.find(',');
    if (comma == std::string_view::npos) return;
    statement = without_blanks(statement.substr(comma + 1));
  }
}

template <typename Found>
void read_imports(std::string_view code, Found found) {
  while (!code.empty()) {
    std::string_view line = code.substr(0, code.find('\n'));
    code.remove_prefix(std::min(line.size() + 1, code.size()));
    if (line.find("import") == std::string_view::npos) continue;
    while (!line.empty()) {
      const std::string_view statement = line.substr(0, line.find(';'));
      read_statement(statement, found);
      line.remove_prefix(std::min(statement.size() + 1, line.size()));
    }
  }
}

}  // namespace

ImportedPackages::ImportedPackages(std::vector<std::string> directories)
    : directories_(std::move(directories)) {}

std::vector<std::string> ImportedPackages::missing(std::string_view code, Clock::time_point now) {
  std::vector<std::string> packages;
  if (code.find("import") == std::string_view::npos) return packages;
  read_imports(code, [&](std::string_view module) {
    const std::string package(package_of(module));
    if (package.empty() || std::find(packages.begin(), packages.end(), package) != packages.end()) {
      return;
    }
    const auto until = failed_.find(package);
    if (until != failed_.end() && now < until->second) return;
    if (!is_here(std::string(module))) packages.push_back(package);
  });
  return packages;
}

void ImportedPackages::failed(const std::vector<std::string>& packages, Clock::time_point now) {
  for (const std::string& package : packages) failed_[package] = now + limits::kImportsTriedAgain;
}

bool ImportedPackages::is_here(const std::string& module) const {
  return std::any_of(directories_.begin(), directories_.end(), [&](const std::string& directory) {
    const std::string path = directory + "/" + module;
    return access(path.c_str(), F_OK) == 0 || access((path + ".py").c_str(), F_OK) == 0;
  });
}

std::vector<std::string> own_package_directories(const std::string& executable,
                                                 std::string_view version) {
  std::error_code failed;
  const auto program = std::filesystem::canonical(executable, failed);
  if (failed) return {};
  const std::string prefix = program.parent_path().parent_path().string();
  std::vector<std::string> directories{
      fmt::format("{}/lib/python{}/site-packages", prefix, version)};
  if (prefix == "/usr") directories.push_back("/usr/lib/python3/dist-packages");
  return directories;
}

}  // namespace pyember::host
