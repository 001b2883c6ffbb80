#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pyember::host {

// Which packages the workers of one place import again and again, so that its zygote can have them
// ready: a fork with pandas in it takes milliseconds, importing it takes hundreds.
//
// Only packages from a list are looked for: those that are worth it and known to bear being
// imported by a process that forks. Whether one leaves threads running the zygote finds out itself.
class ImportHabits {
 public:
  // Looks at code that worker number `worker` is given. The modules to load for packages that by
  // now more than one worker has asked for, each told once.
  std::vector<std::string> look(std::uint64_t worker, std::string_view code);

 private:
  struct Asked {
    std::uint64_t first_worker = 0;
    bool told = false;
  };
  std::map<std::string, Asked, std::less<>> asked_;
};

// The packages of the list that `code` imports by a line of its own.
std::vector<std::string_view> worthwhile_imports(std::string_view code);

}  // namespace pyember::host
