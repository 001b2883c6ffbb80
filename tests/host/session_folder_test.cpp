#include "support/catch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include <filesystem>
#include <fstream>

#include "base/limits.h"
#include "host/session/session_file_resources.h"

using namespace pyember;
using namespace pyember::host;

namespace {

struct Folders {
  std::string root = [] {
    std::string path = "/tmp/pyember-folders-XXXXXX";
    return std::string(mkdtemp(path.data()));
  }();
  SessionFolders folders{root};
  std::unique_ptr<SessionFolder> folder = folders.make("main").take();

  ~Folders() {
    folder.reset();
    std::filesystem::remove_all(root);
  }

  std::string place(const std::string& path) const { return folder->path() + "/" + path; }
  // What the session's code does.
  void write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(place(path)).parent_path());
    std::ofstream(place(path)) << text;
  }
  std::string changed() const {
    std::string names;
    for (const SessionFile& file : folder->changed()) {
      names += file.path + "=" + std::to_string(file.bytes) + " ";
    }
    return names;
  }
  std::string content(const std::string& path) const {
    const auto page = folder->read(path, 0, 1000);
    return page ? page.value().data : "(" + page.error().message + ")";
  }
};

bool exists(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0;
}

}  // namespace

TEST_CASE("SessionFolder: it is this user's alone, and goes with its session") {
  Folders test;
  struct stat status {};
  REQUIRE(stat(test.folder->path().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  test.write("deep/er/a.txt", "a");
  const std::string path = test.folder->path();
  test.folder.reset();
  CHECK_FALSE(exists(path));
}

TEST_CASE("SessionFolder: new and changed files are told once, at whatever depth") {
  Folders test;
  CHECK(test.changed().empty());
  test.write("a.txt", "a");
  CHECK(test.changed() == "a.txt=1 ");
  CHECK(test.changed().empty());
  test.write("a.txt", "ab");
  test.write("sub/b.txt", "abc");
  CHECK(test.changed() == "a.txt=2 sub/b.txt=3 ");
  std::filesystem::remove(test.place("a.txt"));
  CHECK(test.changed().empty());
  test.write("sub/b.txt", "abcd");
  CHECK(test.changed() == "sub/b.txt=4 ");
}

TEST_CASE("SessionFolder: a file written into an empty folder of before is told") {
  Folders test;
  std::filesystem::create_directory(test.place("sub"));
  CHECK(test.changed().empty());
  std::ofstream(test.place("sub/a")) << "1";
  CHECK(test.changed() == "sub/a=1 ");
  std::filesystem::remove_all(test.place("sub"));
  CHECK(test.changed().empty());
  test.write("b", "");
  CHECK(test.changed() == "b=0 ");
}

TEST_CASE("SessionFolder: what is put there is whole, replaces what was, and is no change") {
  Folders test;
  REQUIRE(test.folder->put("data/in.csv", "1,2").ok());
  CHECK(test.content("data/in.csv") == "1,2");
  CHECK(test.changed().empty());
  REQUIRE(test.folder->put("data/in.csv", "3").ok());
  CHECK(test.content("data/in.csv") == "3");
  CHECK(test.folder->files().size() == 1);
  test.write("data/in.csv", "four");
  CHECK(test.changed() == "data/in.csv=4 ");
  const auto page = test.folder->read("data/in.csv", 1, 2);
  CHECK(page.value().data == "ou");
  CHECK(page.value().size == 4);
  CHECK(test.folder->read("data/in.csv", 9, 2).value().data.empty());
}

TEST_CASE("SessionFolder: code may remove it and make it anew") {
  Folders test;
  test.write("a", "1");
  CHECK(test.changed() == "a=1 ");
  std::filesystem::remove_all(test.folder->path());
  CHECK(test.changed().empty());
  CHECK(exists(test.folder->path()));
  test.write("a", "1");
  CHECK(test.changed() == "a=1 ");
  std::filesystem::remove_all(test.folder->path());
  REQUIRE(test.folder->put("b", "2").ok());
  CHECK(test.content("b") == "2");
  std::filesystem::remove_all(test.folder->path());
  test.write("sub/c", "3");  // made again by the code itself
  CHECK(test.changed() == "sub/c=1 ");
  CHECK(test.folder->files().size() == 1);
}

TEST_CASE("SessionFolder: paths that could lead out of it are refused") {
  Folders test;
  std::ofstream(test.root + "/secret") << "secret";
  for (const std::string& path :
       {std::string("../../secret"), std::string(".."), std::string("."), std::string(),
        std::string("/etc/passwd"), std::string("a/../../b"), std::string("a//b"),
        std::string("a/"), std::string("./a"), std::string("a\0b", 3),
        std::string("1/2/3/4/5/6/7/8/9"), std::string(300, 'a')}) {
    INFO(path);
    CHECK_FALSE(test.folder->put(path, "x").ok());
    CHECK_FALSE(test.folder->read(path, 0, 10).ok());
  }
  CHECK(test.folder->files().empty());
}

TEST_CASE("SessionFolder: symbolic links are neither read, listed nor written through") {
  Folders test;
  std::ofstream(test.root + "/secret") << "secret";
  std::filesystem::create_directory(test.root + "/outside");
  std::filesystem::create_symlink(test.root + "/secret", test.place("link"));
  std::filesystem::create_directory_symlink(test.root, test.place("up"));
  std::filesystem::create_directory_symlink(test.root + "/outside", test.place("out"));
  CHECK(test.changed().empty());
  CHECK_FALSE(test.folder->read("link", 0, 10).ok());
  CHECK_FALSE(test.folder->read("up/secret", 0, 10).ok());
  CHECK_FALSE(test.folder->put("out/x", "x").ok());
  CHECK_FALSE(exists(test.root + "/outside/x"));
  REQUIRE(test.folder->put("link", "mine").ok());  // takes the link's place
  CHECK(test.content("link") == "mine");
  std::ifstream file(test.root + "/secret");
  CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == "secret");
  test.folder.reset();
  CHECK(exists(test.root + "/secret"));
  CHECK(exists(test.root + "/outside"));
}

TEST_CASE("SessionFolder: pipes and folders are no files") {
  Folders test;
  REQUIRE(mkfifo(test.place("pipe").c_str(), 0600) == 0);
  std::filesystem::create_directory(test.place("sub"));
  CHECK(test.changed().empty());
  CHECK_FALSE(test.folder->read("pipe", 0, 10).ok());  // and doesn't wait for a writer
  CHECK_FALSE(test.folder->read("sub", 0, 10).ok());
  CHECK_FALSE(test.folder->put("sub", "x").ok());
}

TEST_CASE("SessionFolder: one that its code replaced is still the same one") {
  Folders test;
  std::filesystem::create_directory(test.root + "/outside");
  std::ofstream(test.root + "/outside/secret") << "secret";
  std::filesystem::rename(test.folder->path(), test.root + "/moved");
  std::filesystem::create_directory_symlink(test.root + "/outside", test.folder->path());
  CHECK(test.changed().empty());
  CHECK_FALSE(test.folder->read("secret", 0, 10).ok());
  test.folder.reset();
  CHECK(exists(test.root + "/outside/secret"));
}

TEST_CASE("SessionFolder: a look at a large tree is bounded") {
  Folders test;
  for (std::size_t i = 0; i < limits::kMaximumFolderEntries + 50; ++i) {
    std::ofstream(test.place(std::to_string(i)));
  }
  CHECK(test.folder->changed().size() == limits::kMaximumFolderEntries);
  std::filesystem::create_directories(test.place("1x/2/3/4/5/6/7/8/9/10"));
  CHECK(test.folder->files().size() <= limits::kMaximumFolderEntries);
}

TEST_CASE("SessionFolders: names of sessions don't lead elsewhere, and a name can be used again") {
  Folders test;
  const auto dots = test.folders.make("..");
  REQUIRE(dots.ok());
  CHECK(dots.value()->path().ends_with("/_.."));
  const std::string path = test.folder->path();
  const auto second = test.folders.make("main");  // the first is still there
  REQUIRE(second.ok());
  CHECK(second.value()->path() != path);
  test.folder.reset();
  CHECK(test.folders.make("main").value()->path() == path);
}

TEST_CASE("SessionFolders: what dead servers left is removed, what living ones have is not") {
  Folders test;
  SessionFolders other(test.root);
  const auto others = other.make("theirs");
  REQUIRE(others.ok());
  const std::string dead = test.root + "/1-gone";
  std::filesystem::create_directories(dead + "/main");
  test.folders.remove_leftovers();
  CHECK(exists(dead));  // too young to tell
  SessionFolders(test.root, std::chrono::seconds(0)).remove_leftovers();
  CHECK_FALSE(exists(dead));
  CHECK(exists(others.value()->path()));
  CHECK(exists(test.folder->path()));
}

TEST_CASE("SessionFolders: a folder that can't be made is an error that says what to do") {
  SessionFolders folders("/proc/nowhere");
  const auto made = folders.make("main");
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().message.find("XDG_CACHE_HOME") != std::string::npos);
}

// --- as resources
// ----------------------------------------------------------------------------------

namespace {

struct FileResources : Folders {
  SessionProducts products;
  SessionFileResources resources{[this] {
    return std::map<std::string, SessionProducts*>{{"main", &products}};
  }};

  FileResources() { products.set_folder(std::move(folder)); }
  ~FileResources() { products.set_folder(nullptr); }

  Result<std::vector<mcp::ResourceContent>> read(const std::string& uri) {
    Result<std::vector<mcp::ResourceContent>> result = Error{};
    resources.read(uri, [&](auto given) { result = std::move(given); });
    return result;
  }
};

}  // namespace

TEST_CASE("SessionFileResources: a file is read in pages, as text or as bytes") {
  FileResources test;
  REQUIRE(test.products.folder()->put("a b/\xC3\xA9.txt", "ab\xC3\xA9z").ok());
  REQUIRE(test.products.folder()->put("x.png", std::string("\x89PNG", 4)).ok());
  const auto all = test.resources.list("", 10);
  REQUIRE(all.size() == 2);
  CHECK(all[0].uri == "session-file://main/a%20b/%C3%A9.txt");
  CHECK(all[0].size == 5);
  CHECK(test.resources.list(all[0].uri, 10).size() == 1);
  const auto first = test.read(all[0].uri + "?limit=3");
  REQUIRE(first.ok());
  CHECK(first.value()[0].data == "ab");
  CHECK(first.value()[0].mime_type == "text/plain");
  CHECK(first.value()[0].meta["nextUri"] == all[0].uri + "?offset=2&limit=3");
  const auto picture = test.read("session-file://main/x.png");
  CHECK(picture.value()[0].is_base64);
  CHECK(picture.value()[0].data == "iVBORw==");
  CHECK(picture.value()[0].mime_type == "image/png");
}

TEST_CASE("SessionFileResources: addresses that lead elsewhere are not found") {
  FileResources test;
  for (const char* uri :
       {"session-file://main/../main/x", "session-file://main/%2e%2e/%2e%2e/etc/passwd",
        "session-file://main//etc/passwd", "session-file://main/%2Fetc%2Fpasswd",
        "session-file://main/a%00b", "session-file://main", "session-file://main/",
        "session-file://other/x", "session-file://main/x?page=1", "session-file:///x"}) {
    INFO(uri);
    const auto missing = test.read(uri);
    REQUIRE_FALSE(missing.ok());
    CHECK(missing.error().code == ErrorCode::NotFound);
  }
}
