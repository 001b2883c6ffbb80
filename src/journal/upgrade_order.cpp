#include "journal/upgrade_order.h"

#include <cstring>

#include "journal/layout.h"

namespace pyember::journal {

bool UpgradeOrder::write(std::string_view program) {
  if (program.empty() || program.size() > kLongestProgramPath) return false;
  layout_.order = 0;
  std::memset(layout_.program, 0, sizeof layout_.program);
  std::memcpy(layout_.program, program.data(), program.size());
  layout_.order = 1;
  return true;
}

bool UpgradeOrder::exists() const { return layout_.order != 0; }

std::string UpgradeOrder::program() const {
  return {layout_.program, strnlen(layout_.program, kLongestProgramPath)};
}

void UpgradeOrder::clear() { layout_.order = 0; }

}  // namespace pyember::journal
