#pragma once

#include <string>
#include <string_view>

namespace pyember::journal {

struct Layout;

// Asks the supervisor of a running server to go on as another program. Written by that program
// (`pyember upgrade`), which so has found out that both mean the same by the journal's layout.
class UpgradeOrder {
 public:
  explicit UpgradeOrder(Layout& layout) : layout_(layout) {}

  // An absolute path; false when it is too long. The supervisor looks when it gets kUpgradeSignal.
  bool write(std::string_view program);
  bool exists() const;
  std::string program() const;
  // It was carried out, or can't be.
  void clear();

 private:
  Layout& layout_;
};

}  // namespace pyember::journal
