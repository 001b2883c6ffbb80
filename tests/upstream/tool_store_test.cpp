#include "host/upstream/tools/tool_store.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/sha256.h"
#include "upstream/tool_fixture.h"

using namespace pyember;
using namespace pyember::host;
using Strings = std::vector<std::string>;

namespace {

class Folder {
 public:
  Folder() { REQUIRE(mkdtemp(path_.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string tools() const { return path_ + "/upstream-tools"; }
  std::string file(const UpstreamDefinition& definition) const {
    return tools() + '/' + definition.fingerprint + ".json";
  }

 private:
  std::string path_ = "/tmp/tool-store-XXXXXX";
};

void at_once(const std::function<void()>& work) { work(); }

UpstreamDefinition forge() {
  UpstreamDefinition definition = definition_of("for-ge");
  definition.fingerprint = sha256_hex("for-ge");
  definition.environment = {{"TOKEN", "secret-value"}};
  return definition;
}

UpstreamDefinition other() {
  UpstreamDefinition definition = definition_of("other");
  definition.fingerprint = sha256_hex("other");
  return definition;
}

const char* const kList = R"([{"name":"create_issue","description":"Opens an issue"}])";

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("Tool store: what an upstream said is known to the next server, which starts nothing") {
  const Folder folder;
  {
    ToolStore store(folder.tools(), {forge(), other()}, at_once);
    CHECK(store.find("for-ge") == nullptr);
    CHECK(store.unknown() == Strings{"for-ge", "other"});
    CHECK(store.put(forge(), json(kList))->tools.size() == 1);
  }
  ToolStore store(folder.tools(), {forge(), other()}, at_once);
  REQUIRE(store.find("for-ge") != nullptr);
  CHECK(store.find("for_ge") == store.find("for-ge"));
  CHECK(store.find("for-ge")->tools[0].description == "Opens an issue");
  CHECK(store.find("nobody") == nullptr);
  CHECK(store.unknown() == Strings{"other"});
  CHECK(store.all().size() == 1);
}

TEST_CASE("Tool store: another definition of the same name has its own list") {
  const Folder folder;
  ToolStore(folder.tools(), {forge()}, at_once).put(forge(), json(kList));
  UpstreamDefinition moved = forge();
  moved.fingerprint = sha256_hex("elsewhere");
  CHECK(ToolStore(folder.tools(), {moved}, at_once).find("for-ge") == nullptr);
}

TEST_CASE("Tool store: the version changes when a list does") {
  const Folder folder;
  ToolStore store(folder.tools(), {forge()}, at_once);
  const std::uint64_t before = store.version();
  const SharedTools first = store.put(forge(), json(kList));
  const std::uint64_t after = store.version();
  CHECK(after != before);
  CHECK(store.put(forge(), json(kList)) == first);
  CHECK(store.version() == after);
  CHECK(store.put(forge(), json("[]"))->tools.empty());
  CHECK(store.version() != after);
  CHECK(first->tools.size() == 1);  // whoever reads the earlier one goes on
}

TEST_CASE("Tool store: a list that is said again is not written again") {
  const Folder folder;
  int written = 0;
  const auto counted = [&written](const std::function<void()>& work) {
    ++written;
    work();
  };
  ToolStore(folder.tools(), {forge()}, counted).put(forge(), json(kList));
  ToolStore(folder.tools(), {forge()}, counted).put(forge(), json(kList));
  CHECK(written == 1);
}

TEST_CASE("Tool store: how long the latest start took is kept with the list") {
  const Folder folder;
  ToolStore store(folder.tools(), {forge(), other()}, at_once);
  CHECK_FALSE(store.start_seconds("for-ge"));
  store.put(forge(), json(kList), 1.5);
  const std::uint64_t version = store.version();
  store.put(forge(), json(kList), 0.25);
  store.put(forge(), json(kList));
  CHECK(store.version() == version);
  CHECK(store.start_seconds("for-ge") == 0.25);
  ToolStore next(folder.tools(), {forge(), other()}, at_once);
  CHECK(next.start_seconds("for-ge") == 0.25);
  CHECK_FALSE(next.start_seconds("other"));
}

TEST_CASE("Tool store: files are the user's alone, and hold no secret") {
  const Folder folder;
  ToolStore(folder.tools(), {forge()}, at_once).put(forge(), json(kList));
  struct stat status {};
  REQUIRE(stat(folder.file(forge()).c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK(read_file(folder.file(forge())).find("secret-value") == std::string::npos);
}

TEST_CASE("Tool store: a file that makes no sense counts as missing") {
  const Folder folder;
  ToolStore(folder.tools(), {forge()}, at_once).put(forge(), json(kList));
  const std::string good = read_file(folder.file(forge()));
  for (const std::string& bad :
       {std::string(), good.substr(0, good.size() / 2), std::string("[]"), std::string("null"),
        std::string(R"({"version":2,"tools":[]})"), std::string(R"({"version":1,"tools":5})"),
        std::string(R"({"version":1,"fingerprint":"other","tools":[]})"),
        std::string(17u << 20, '['), std::string("\0\0\0", 3)}) {
    std::ofstream(folder.file(forge()), std::ios::trunc) << bad;
    ToolStore store(folder.tools(), {forge()}, at_once);
    CHECK(store.find("for-ge") == nullptr);
    CHECK(store.put(forge(), json(kList))->tools.size() == 1);  // and is written over
    CHECK(read_file(folder.file(forge())) == good);
  }
}

TEST_CASE("Tool store: a folder that can't be written to keeps nothing, and that is all") {
  ToolStore store("/proc/nowhere", {forge()}, at_once);
  CHECK(store.put(forge(), json(kList))->tools.size() == 1);
  CHECK(store.find("for-ge") != nullptr);
}

TEST_CASE("Tool store: a fingerprint that is none names no file") {
  const Folder folder;
  UpstreamDefinition odd = forge();
  odd.fingerprint = "../../escape";
  ToolStore store(folder.tools(), {odd}, at_once);
  CHECK(store.put(odd, json(kList))->tools.size() == 1);
  CHECK_FALSE(std::filesystem::exists(folder.tools()));
}
