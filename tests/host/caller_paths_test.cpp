#include "host/boundaries/caller_paths.h"

#include <filesystem>
#include <fstream>

#include "gate/temporary_folder.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

TEST_CASE("CallerPaths: who is trusted names what he likes") {
  const CallerPaths paths;
  CHECK(paths.check_reading("script_path", "/etc/shadow", "").ok());
  CHECK(paths.check_writing("path", "/etc/shadow", "").ok());
}

TEST_CASE("CallerPaths: others name what is shown to be read, and nothing that a link leads to") {
  namespace fs = std::filesystem;
  const TemporaryFolder folder;
  const std::string root = fs::canonical(folder.path).string();
  for (const char* each : {"/shown", "/shown/deep", "/shown-too", "/writable"}) {
    fs::create_directory(root + each);
  }
  std::ofstream(root + "/secret") << "x";
  fs::create_symlink(root + "/secret", root + "/shown/link");
  fs::create_directory_symlink(root + "/shown", root + "/way");
  const CallerPaths paths{
      false, {{root + "/shown", root + "/shown"}, {root + "/writable", root + "/writable", true}}};
  const auto may_read = [&](const std::string& path) {
    return paths.check_reading("script_path", path, "Give script_content.").ok();
  };
  CHECK(may_read(root + "/shown"));
  CHECK(may_read(root + "/shown/deep/not_there.py"));
  CHECK(may_read(root + "/way/deep"));
  CHECK_FALSE(may_read(root + "/shown/link"));
  CHECK_FALSE(may_read(root + "/shown/../secret"));
  CHECK_FALSE(may_read(root + "/shown-too"));
  CHECK_FALSE(may_read(root));
  CHECK_FALSE(may_read(root + "/writable/file"));
  CHECK_FALSE(may_read("/"));
  CHECK_FALSE(may_read(""));

  CHECK_FALSE(paths.check_writing("path", root + "/shown/file", "").ok());
  CHECK_FALSE(paths.check_writing("path", root + "/writable/file", "").ok());
  const auto refused = paths.check_reading("script_path", "/etc/passwd", "Give script_content.");
  CHECK(refused.error().message ==
        "script_path /etc/passwd can't be used, because this server keeps its callers apart: they "
        "name no files of its machine but those that --sandbox-path shows to be read.\nGive "
        "script_content.");
}
