#include "host/upstream/saved_tools.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "support/catch.h"

namespace pyember::host {
namespace {

struct Folder {
  std::string path = [] {
    char name[] = "/tmp/pyember-saved-XXXXXX";
    return std::string(mkdtemp(name)) + "/below/user_tools";
  }();
  ~Folder() {
    std::filesystem::remove_all(std::filesystem::path(path).parent_path().parent_path());
  }
};

TEST_CASE("Saved tools: a function is there afterwards, and replaced by the next of its name") {
  const Folder folder;
  const SavedTools tools(folder.path);
  CHECK(tools.read().value().names.empty());
  REQUIRE(tools.save("one", "def one():\n    return 1"));
  REQUIRE(tools.save("two", "@cache\n@other(\n    1)\nasync  def two(x):\n    return x\n"));
  REQUIRE(tools.save("one", "def one(): return 'another'\n"));
  const SavedTools::Content content = tools.read().value();
  CHECK(content.names == std::vector<std::string>{"one", "two"});
  CHECK(content.source.find("return 1") == std::string::npos);
  CHECK(content.source.find("'another'") != std::string::npos);
  struct stat status {};
  REQUIRE(stat(tools.path().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("Saved tools: what else stands in the file stays") {
  const Folder folder;
  const SavedTools tools(folder.path);
  REQUIRE(tools.save("one", "def one(): pass"));
  { std::ofstream(tools.path(), std::ios::app) << "def mine(): pass"; }
  REQUIRE(tools.save("two", "def two(): pass"));
  REQUIRE(tools.remove("one"));
  const SavedTools::Content content = tools.read().value();
  CHECK(content.names == std::vector<std::string>{"two"});
  CHECK(content.source.find("def mine(): pass\n") != std::string::npos);
  CHECK(content.source.find("def one") == std::string::npos);
}

TEST_CASE("Saved tools: only a function of that name is taken") {
  const Folder folder;
  const SavedTools tools(folder.path);
  for (const char* source :
       {"", "x = 1", "def other(): pass", "import os\ndef one(): pass", "class one: pass",
        "defone(): pass", "@decorator", "def one(): pass\n# --- end of one\nimport os"}) {
    CHECK_FALSE(tools.save("one", source));
  }
  for (const char* name : {"", "a b", "1a", "a;b", "a\n", "../a"}) {
    CHECK_FALSE(tools.save(name, std::string("def ") + name + "(): pass"));
  }
  CHECK_FALSE(tools.save("one", "def one(): pass\n" + std::string(2 << 20, '#')));
  CHECK(tools.read().value().names.empty());
}

TEST_CASE("Saved tools: what is not there can't be deleted, and nothing is kept without a folder") {
  const Folder folder;
  CHECK_FALSE(SavedTools(folder.path).remove("one"));
  CHECK_FALSE(SavedTools("").save("one", "def one(): pass"));
  CHECK(SavedTools("").read().value().source.empty());
}

}  // namespace
}  // namespace pyember::host
