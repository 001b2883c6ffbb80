#include "host/session/session_products.h"

#include <utility>

#include "base/limits.h"

namespace pyember::host {

bool SessionProducts::cell_ended(embed::CellNumber number, embed::CellOutcome& outcome) {
  const bool showed = !outcome.displays.empty();
  if (showed) {
    displays_.keep(number, std::move(outcome.displays));
    outcome.displays.clear();
  }
  if (!folder_) return showed;
  std::vector<SessionFile> files = folder_->changed();
  if (files.empty()) return showed;
  files_.insert_or_assign(number, std::move(files));
  if (files_.size() > limits::kRememberedProducts) files_.erase(files_.begin());
  return true;
}

const std::vector<SessionFile>* SessionProducts::files_of(embed::CellNumber number) const {
  const auto found = files_.find(number);
  return found == files_.end() ? nullptr : &found->second;
}

}  // namespace pyember::host
